"""The running gateway: what clients send it, and what its origin answers.

Never a 5xx, never an empty answer, never an answer that a strict client (h11) cannot read, never a
question to anybody but the origin; alive and small afterwards, and nothing unexpected in its log.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h11

from fuzz.hostile import HostileOrigin
from fuzz.model import BrokenLaw, Run, Target
from lib import wheels
from lib.gateway import Gateway
from lib.index import JSON, Index
from lib.serving.servers import RecordingServer

#: Seconds for an answer: a client is told something within 10 s, and machines can be slow.
_PATIENCE = 60.0
#: MiB of the gateway, whatever it was sent.
_LARGEST = 150
#: What no line of the log may have.
_UNEXPECTED = re.compile(rb"Traceback|Exception in|Task exception|Fatal|never retrieved")
_STATUS = re.compile(rb"HTTP/1\.[01] (5\d\d)\b")
#: Paths of pages, repodata, images and files: there the origin's failures are ours to bear.
_OURS = re.compile(rb"\A/simple/[^/?]+/?\Z|repodata|\A/v2/|\A/packages/|\A/files/|\.conda\Z")
_PAUSE = re.compile(rb"(?i)retry-after:[^\r\n]*")
#: What is said for an origin that named a time: nobody else's 503.
_LEFT_ALONE = re.compile(rb"headrace: \S+ answered 503 and is left alone for ")
_ONE = wheels.wheel("six", "1.0", size=3_000)
_MEMORY = Path("/proc")


class _Watch:
    """The gateway's process between two inputs."""

    def __init__(self, gateway: Gateway, elsewhere: HostileOrigin) -> None:
        self._gateway = gateway
        self._elsewhere = elsewhere
        self._read = gateway.log.stat().st_size

    def check(self, *, leads: bool) -> None:
        """BrokenLaw where something is wrong; `leads`: the origin may have led elsewhere."""
        process = self._gateway.process
        assert process is not None
        if process.poll() is not None:
            raise BrokenLaw(f"the gateway ended with {process.returncode}")
        with self._gateway.log.open("rb") as log:
            log.seek(self._read)
            told = log.read()
        self._read += len(told)
        if found := _UNEXPECTED.search(told):
            lines = told[found.start() :].decode("utf-8", "replace").splitlines()
            last = next((line for line in lines if re.match(r"[\w.]+(Error|Exception)", line)), "")
            raise BrokenLaw(f"in the log: {lines[0][:60]} … {last[:100]}")
        if self._elsewhere.seen:
            asked = self._elsewhere.seen.pop().split(b"\r\n")[0]
            self._elsewhere.seen.clear()
            if not leads:
                raise BrokenLaw(f"asked elsewhere: {asked[:100]!r}")
        with contextlib.suppress(OSError):
            status = (_MEMORY / str(process.pid) / "status").read_text()
            size = int(status.partition("VmRSS:")[2].split()[0]) >> 10
            if size > _LARGEST:
                raise BrokenLaw(f"the gateway takes more than {_LARGEST} MiB")


@contextlib.contextmanager
def _gateway(origin: str, root: Path) -> Iterator[tuple[Gateway, _Watch]]:
    """One with an origin of each kind. Whoever else is asked is asked of `elsewhere`."""
    with HostileOrigin(b"HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n") as elsewhere:
        env = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), elsewhere.url)
        gateway = Gateway(root, origins=[f"{origin}/simple"], env={**env, "NO_PROXY": "127.0.0.1"})
        gateway.origins += [f"conda={origin}", f"docker/docker.io={origin}"]
        with gateway:
            yield gateway, _Watch(gateway, elsewhere)


def _ask(port: int, data: bytes, method: bytes, *, answered: bool) -> _Reader:
    """Send bytes and read the answer; `answered`: there must be one, so it is waited for, else no
    more bytes come, and whatever comes back until the end is read.
    """
    reader = _Reader(method)
    with socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE) as live:
        with contextlib.suppress(ConnectionError):  # refused before all of it was read
            live.sendall(data)
            if not answered:
                live.shutdown(socket.SHUT_WR)
        try:
            while not reader.ended and (part := live.recv(1 << 16)):
                reader.feed(part)
        except TimeoutError:
            raise BrokenLaw(f"no end after {_PATIENCE:g} s") from None
        except ConnectionError:
            pass
    return reader


class _Reader:
    """Reads one answer as a strict client does."""

    def __init__(self, method: bytes) -> None:
        self.response: h11.Response | None = None
        self.body = b""
        self.ended = False
        self._any = False
        self._client = h11.Connection(h11.CLIENT)
        self._client.send(h11.Request(method=method, target="/", headers=[("host", "x")]))
        self._client.send(h11.EndOfMessage())

    @property
    def any(self) -> bool:
        """Whether a byte came."""
        return self._any

    def feed(self, data: bytes) -> None:
        """Take what came; BrokenLaw where it is no answer."""
        self._any = True
        self._client.receive_data(data)
        try:
            while not self.ended:
                event = self._client.next_event()
                if event in (h11.NEED_DATA, h11.PAUSED):
                    return
                if isinstance(event, h11.Response):
                    self.response = event
                if isinstance(event, h11.Data):
                    self.body += event.data
                self.ended = isinstance(event, h11.EndOfMessage | h11.ConnectionClosed)
        except h11.RemoteProtocolError as error:
            raise BrokenLaw(f"cannot be read: {error}") from error


def _judged(reader: _Reader, *, said: int = 0) -> tuple[object, ...]:
    """BrokenLaw where an answer is wrong; `said`: the status that is the origin's own word."""
    response = reader.response
    if response is None:
        raise BrokenLaw("half an answer" if reader.any else "an empty answer")
    if response.status_code >= 500 and response.status_code != said:
        raise BrokenLaw(f"status {response.status_code}")
    headers = dict(response.headers)
    if headers.get(b"connection", b"close").lower() not in (b"close", b"keep-alive"):
        raise BrokenLaw(f"connection: {headers[b'connection']!r}")
    return response.status_code, headers.get(b"content-type", b"")[:20]


def _whole(data: bytes) -> bytes | None:
    """Return the method of a request that a strict server takes for a whole one; None: it is none,
    and whether there is an answer is the gateway's choice.
    """
    server = h11.Connection(h11.SERVER)
    try:
        server.receive_data(data)
        request = server.next_event()
        ended = isinstance(server.next_event(), h11.EndOfMessage)
    except h11.RemoteProtocolError:
        return None
    return bytes(request.method) if isinstance(request, h11.Request) and ended else None


@contextlib.contextmanager
def _clients() -> Iterator[Run]:
    """Requests as they come, to a gateway whose origin is honest. {port} is its port."""
    index = Index()
    index.add(_ONE)
    with (
        tempfile.TemporaryDirectory(prefix="headrace-fuzz-") as folder,
        RecordingServer() as origin,
    ):
        index.mount_origin(origin)
        with _gateway(origin.url, Path(folder)) as (gateway, watch):
            path = index.path(_ONE.name).encode()

            def run(data: bytes) -> object:
                data = data.replace(b"{port}", b"%d" % gateway.port).replace(b"{file}", path)
                method = _whole(data)
                answered = method is not None
                reader = _ask(gateway.port, data, method or b"GET", answered=answered)
                word = _judged(reader) if answered or reader.any else ()
                watch.check(leads=False)
                origin.forget()
                return word

            yield run


@contextlib.contextmanager
def _origins() -> Iterator[Run]:
    """A target in the first line ({n} a number that is new, {origin} the origin), and behind it
    the origin's answer to all that it is asked.
    """
    with (
        tempfile.TemporaryDirectory(prefix="headrace-fuzz-") as folder,
        HostileOrigin() as origin,
        _gateway(origin.url, Path(folder)) as (gateway, watch),
    ):
        numbers = itertools.count(1)
        limited = False

        def run(data: bytes) -> object:
            nonlocal limited
            number = b"%d" % next(numbers)
            authority = origin.authority.encode()
            data = data.replace(b"{n}", number).replace(b"{origin}", authority)
            target, _, answer = data.partition(b"\n")
            target = re.sub(rb"[\0-\x20\x7f-\xff]", b"", target) or b"/"
            # A pause that is believed would be that of all inputs after this one.
            answer = _PAUSE.sub(b"retry-after: 0", answer)
            origin.answer = answer
            origin.seen.clear()
            word: list[object] = []
            # What is nothing that we know goes out as a private origin says it, 5xx too.
            status = _STATUS.match(answer)
            # One that limits says so itself: its own word goes on.
            own = not _OURS.search(target) or (_PAUSE.search(answer) and b" 503" in answer[:12])
            said = int(status[1]) if status and own else 0
            for method in (b"GET", b"HEAD"):
                asked = _request(method, target, gateway.port)
                reader = _ask(gateway.port, asked, method, answered=True)
                # Its pause may be that of the inputs after it, which are told so; what was said
                # to a GET is all that a HEAD may be told.
                if limited and _LEFT_ALONE.match(reader.body):
                    said = 503
                word += _judged(reader, said=said)
            limited = limited or said == 503
            for head in origin.seen:
                if b"\r\nhost: " + authority not in head.lower():
                    raise BrokenLaw(f"asked as {head[:80]!r}")
            watch.check(leads=True)
            return tuple(word), min(len(origin.seen), 3)

        yield run


def _request(method: bytes, target: bytes, port: int) -> bytes:
    lines = [
        b"%s %s HTTP/1.1" % (method, target if target.startswith(b"/") else b"/" + target),
        b"Host: 127.0.0.1:%d" % port,
        b"Accept: " + JSON.encode(),
        b"Cache-Control: no-cache",
        b"Connection: close",
    ]
    return b"\r\n".join([*lines, b"", b""])


_FIELDS = (
    *(b"\r\nHost: 127.0.0.1:{port}\r\n", b"\r\nRange: bytes=", b"\r\nIf-Range: ", b"\r\nAccept: "),
    *(b"\r\nTransfer-Encoding: chunked\r\n", b"\r\nContent-Length: ", b"\r\nConnection: "),
    *(b"\r\nExpect: 100-continue", b"\r\nUpgrade: h2c", b"\r\nOrigin: http://x.example", b"\r\n "),
    *(b"\r\nSec-Fetch-Site: cross-site", b"\r\nAuthorization: Basic ", b"HTTP/1.0", b"OPTIONS * "),
    *(
        b"http://127.0.0.1:{port}/",
        b"CONNECT x:1 ",
        b"/status",
        b"/metrics",
        b"/explain/",
        b"{file}",
    ),
    *(b"/simple/six/", b"/v2/", b"/conda/", b"/healthz", b"\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\n"),
)
_ANSWERS = (
    *(
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ",
        b"HTTP/1.1 304 X\r\n",
        b"HTTP/1.0 ",
    ),
    *(b"Content-Type: ", b"Content-Length: ", b"ETag: ", b"Last-Modified: ", b"Cache-Control: "),
    *(b"Content-Encoding: gzip\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Range: bytes "),
    *(b"WWW-Authenticate: Bearer realm=", b"Retry-After: ", b"Docker-Content-Digest: sha256:"),
    *(
        b"X-PyPI-Last-Serial: ",
        b"Link: <",
        b"Set-Cookie: ",
        b"Location: http://{origin}/",
        b"\r\n\r\n",
    ),
    *(b"/simple/p{n}/", b"/v2/p{n}/manifests/latest", b"repodata.json", b"http://192.0.2.1/"),
)


def _target(
    name: str,
    opened: Callable[[], contextlib.AbstractContextManager[Run]],
    words: tuple[bytes, ...],
) -> Target:
    return Target(
        name,
        allowed=(),
        words=words,
        opened=opened,
        guided=False,
        weight=5,
        timed=False,
        largest=4096,
    )


TARGETS = [
    _target("gateway-clients", _clients, _FIELDS),
    _target("gateway-origin", _origins, _ANSWERS),
]
