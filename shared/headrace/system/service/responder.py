"""A program of its own: send every client to the origin, while no worker can answer.

Run by the holder as ``python -I -S responder.py --redirect /prefix/=URL/ --fd N``. What lies below
a prefix is answered with 302 to the same place below the URL (RFC 9110 section 15.4.3); 302 and not
301, because nobody may remember it. What has no place at an origin that is known here is, after a
pause, sent to where it came from: the worker may be back by then, and no client gives up on that as
it does on 404 or 503.

``--redirect CONNECT=FOLDER``: whoever shows a token that has a file there gets a tunnel, blindly,
so that a command that is led through the gateway as a proxy sees its origin (`tunnelled`).

``--redirect FILE=PATH``: a worker has written there, as JSON, what else would stand here.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from typing import NoReturn

HEAD_LIMIT = 32 << 10
#: Seconds for a head to arrive, all of it.
TIMEOUT = 10.0
#: Seconds and bytes for which a client may go on sending after its answer.
LINGER, IGNORED = 2.0, 1 << 20
#: Seconds before a client is sent round; clients follow 10 to 30 redirects.
ROUND = 1.0
PLACES = 64
#: Tunnels that are open; this goes on as long as there are some.
TUNNELS: set[socket.socket] = set()
AT_A_TIME = threading.BoundedSemaphore(PLACES)
#: Connections whose head has not come yet, the oldest first: they go when there is no place left.
WAITING: dict[socket.socket, None] = {}
#: Before the path of pages that depend on the host (`headrace.variants.host_paths`).
HOST = "/for/"
OURS = (b"127.0.0.1", b"localhost", b"[::1]")
#: Names of this machine's loopback, also where nobody here knows them (a proxy might).
LOCAL = ("localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback")
#: RFC 3986: what may stand in a path and query as it is; the rest is not sent back.
SAFE = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/?%"
)


def location(target: bytes, redirects: list[tuple[str, str]]) -> str | None:
    """Return where a request target belongs, by the longest prefix that fits.

    Itself where no origin is known for it; None where it is no decent path, or one whose clients
    go to the origin by themselves after a 404 (a prefix with no URL).
    """
    if not target.startswith(b"/") or not SAFE.issuperset(target):
        return None
    text = target.decode("ascii")
    path = text.partition("?")[0]
    if "//" in path or "/../" in f"{path}/" or "%2f" in path.lower() or "%2e" in path.lower():
        return None
    asked = text
    if text.startswith(HOST):
        # What follows says for which host the gateway would choose builds; an origin has none.
        text = "/" + text.removeprefix(HOST).partition("/")[2]
    fitting = [pair for pair in redirects if text.startswith(pair[0])]
    if not fitting:
        return asked
    prefix, url = max(fitting, key=lambda pair: len(pair[0]))
    return url + text[len(prefix) :] if url else None


def is_ours(head: bytes, port: int) -> bool:
    """Whether the one Host is this gateway on loopback (DNS rebinding: a page names its own)."""
    lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    hosts = [value.strip().lower() for name, _, value in lines if name.lower() == b"host"]
    known = [b"%s:%d" % (name, port) for name in OURS] + (list(OURS) if port == 80 else [])
    return len(hosts) == 1 and hosts[0] in known


def answer(head: bytes, redirects: list[tuple[str, str]], port: int | None = None) -> bytes:
    """Return the whole answer to one request's head, which came in at a port."""
    words = head.partition(b"\r\n")[0].split(b" ")
    status, extra, text = "404 Not Found", "", "headrace: there is no such place\n"
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        status, text = "400 Bad Request", "headrace: not HTTP/1.1\n"
    elif words[0] not in (b"GET", b"HEAD"):
        status, extra = "405 Method Not Allowed", "Allow: GET, HEAD\r\n"
    elif port is not None and not is_ours(head, port):
        status, text = "421 Misdirected Request", "headrace: a gateway on loopback, no proxy\n"
    elif words[1] == b"/healthz":
        status, text = "200 OK", '{"headrace": "redirecting"}\n'
        extra = "Content-Type: application/json\r\n"
    elif place := location(words[1], redirects):
        status, text = "302 Found", "headrace: the gateway is down, ask there\n"
        extra = f"Location: {place}\r\n"
    body = "" if words[0] == b"HEAD" else text
    return (
        f"HTTP/1.1 {status}\r\n{extra}Content-Length: {len(text)}\r\n"
        f"Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
    ).encode("ascii")


def serve(connection: socket.socket, redirects: list[tuple[str, str]]) -> None:
    """Answer in a thread of its own, and make room for the next."""
    try:
        converse(connection, redirects)
    finally:
        WAITING.pop(connection, None)
        AT_A_TIME.release()


def converse(connection: socket.socket, redirects: list[tuple[str, str]]) -> None:
    """Answer the one request of a connection."""
    with connection, contextlib.suppress(OSError):
        head = b""
        until = time.monotonic() + TIMEOUT
        while b"\r\n\r\n" not in head and len(head) < HEAD_LIMIT:
            data = part(connection, until)
            if not data:
                return
            head += data
        WAITING.pop(connection, None)
        if head.startswith(b"CONNECT "):
            tunnelled(connection, head, [folder for name, folder in redirects if name == "CONNECT"])
            return
        reply = answer(head, redirects, connection.getsockname()[1])
        if b"\r\nLocation: /" in reply:
            time.sleep(ROUND)
        connection.settimeout(TIMEOUT)
        connection.sendall(reply)
        connection.shutdown(socket.SHUT_WR)
        # A reset would take the answer from the client again.
        until, left = time.monotonic() + LINGER, IGNORED
        while left > 0 and (data := part(connection, until)):
            left -= len(data)


def tunnelled(connection: socket.socket, head: bytes, folders: list[str]) -> None:
    """Connect a client that shows a token to where it wants to go, and pass everything on."""
    head, _, early = head.partition(b"\r\n\r\n")
    env, elsewhere = shown(head, folders)
    host, _, port = head.split(b" ", 2)[1].decode("latin-1").rpartition(":")
    host = host.strip("[]")
    said = '407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="headrace"'
    if env is not None and elsewhere and is_loopback(host):
        said = "403 Forbidden"
    elif env is not None:
        said = "502 Bad Gateway"
        with (
            contextlib.suppress(OSError, ValueError),
            reached(host, int(port), env, elsewhere=elsewhere) as there,
        ):
            if there.getpeername()[1] != connection.getsockname()[1] or not is_here(there):
                TUNNELS.add(connection)
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                there.sendall(early)
                try:
                    passed_on(connection, there)
                finally:
                    TUNNELS.discard(connection)
                return
            said = "403 Forbidden"
    connection.settimeout(TIMEOUT)
    connection.sendall(
        f"HTTP/1.1 {said}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    )


def shown(head: bytes, folders: list[str]) -> tuple[dict[str, str] | None, bool]:
    """Return the environment of the command whose token is shown, None: nobody's is; and whether
    our loopback is not its own (a container).
    """
    import base64  # noqa: PLC0415 - a cost of those who are led
    import hashlib  # noqa: PLC0415 - as above
    import json  # noqa: PLC0415 - as above

    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        scheme, _, pair = value.strip().partition(b" ")
        if name.lower() != b"proxy-authorization" or scheme.lower() != b"basic":
            continue
        with contextlib.suppress(ValueError, OSError, KeyError, ImportError):
            token = base64.b64decode(pair).partition(b":")[2]
            for folder in folders:
                path = f"{folder}/{hashlib.sha256(token).hexdigest()}.json"
                with open(path, encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs memory
                    table = json.load(file)
                if has_ended(table["runners"]):
                    continue
                env = {str(key): str(value) for key, value in table["environment"].items()}
                return env, bool(table.get("elsewhere"))
    return None, False


def is_loopback(host: str) -> bool:
    """Whether a name or an address leads to this machine's loopback."""
    import ipaddress  # noqa: PLC0415 - as above

    name = host.lower().rstrip(".")
    if name in LOCAL or name.endswith(".localhost"):
        return True
    with contextlib.suppress(OSError, ValueError):
        for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
            ip = ipaddress.ip_address(str(found[4][0]).partition("%")[0])
            ip = getattr(ip, "ipv4_mapped", None) or ip
            if ip.is_loopback or ip.is_unspecified:
                return True
    return False


def has_ended(runners: str) -> bool:
    """Whether nobody has the file of a command's runners locked: its token is worth nothing."""
    import fcntl  # noqa: PLC0415 - as above, and not on Windows

    with open(runners, "rb") as file:  # noqa: PTH123 - as above
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def reached(host: str, port: int, env: dict[str, str], *, elsewhere: bool) -> socket.socket:
    """Connect, through the proxy of an environment where it names one; OSError. `elsewhere`: not
    to our loopback, whatever a name meant when it was looked at.
    """
    import urllib.request  # noqa: PLC0415 - as above
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - a cost of those who are led

    def told(name: str) -> str:
        return env.get(name.lower(), env.get(name, ""))

    proxy = told("HTTPS_PROXY") or told("ALL_PROXY")
    # The standard library's own rule, which its type stubs leave out.
    excepted = getattr(urllib.request, "proxy_bypass_environment")  # noqa: B009 - as above
    direct = excepted(f"{host}:{port}", {"no": told("NO_PROXY")})
    if not proxy or direct or host == "localhost" or host.startswith("127.") or host == "::1":
        made = socket.create_connection((host, port), TIMEOUT)
        if elsewhere and is_loopback(made.getpeername()[0]):
            made.close()
            raise OSError("the loopback of this machine is not for its containers")
        return made
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if parts.scheme != "http" or not parts.hostname:
        raise OSError("such a proxy is not gone through here")
    made = socket.create_connection((parts.hostname, parts.port or 80), TIMEOUT)
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    asked = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if parts.username is not None:
        import base64  # noqa: PLC0415 - as above

        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        asked += f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}\r\n"
    made.sendall(f"{asked}\r\n".encode())
    answered = b""
    while b"\r\n\r\n" not in answered and len(answered) < HEAD_LIMIT:
        # One byte at a time: what follows is not for us.
        answered += made.recv(1) or b"\r\n\r\n"
    if answered[9:10] != b"2":
        made.close()
        raise OSError("the proxy says no")
    return made


def is_here(there: socket.socket) -> bool:
    """Whether the other end is this machine."""
    return bool(there.getpeername()[0] == there.getsockname()[0])


def passed_on(one: socket.socket, other: socket.socket) -> None:
    """Pass bytes on in both directions, until both have ended."""
    for sock in (one, other):
        sock.settimeout(None)
    ends = {one: other, other: one}
    while ends:
        for sock in select.select(list(ends), [], [])[0]:
            data = sock.recv(1 << 16)
            if data:
                ends[sock].sendall(data)
                continue
            with contextlib.suppress(OSError):
                ends[sock].shutdown(socket.SHUT_WR)
            del ends[sock]


def part(connection: socket.socket, until: float) -> bytes:
    """Read on; empty at the end, TimeoutError after the time that all of it has."""
    connection.settimeout(max(0.01, until - time.monotonic()))
    return connection.recv(8192)


def let_in(connection: socket.socket, redirects: list[tuple[str, str]]) -> None:
    """Answer a connection, in the place of one that has said nothing for longest if need be."""
    if not AT_A_TIME.acquire(blocking=False):
        for oldest in list(WAITING)[:1]:
            WAITING.pop(oldest, None)
            with contextlib.suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        if not AT_A_TIME.acquire(timeout=2 * ROUND):
            connection.close()
            return
    WAITING[connection] = None
    threading.Thread(target=serve, args=(connection, redirects), daemon=True).start()


def written(path: str) -> list[tuple[str, str]]:
    """Return the redirects that a worker has written; none where there was no such worker yet."""
    with contextlib.suppress(OSError, ValueError), open(path, "rb") as file:  # noqa: PTH123 - no more is imported
        told = json.loads(file.read())
        pairs = [str(mapping).partition("=") for mapping in told] if type(told) is list else []
        return [(prefix, url) for prefix, _, url in pairs]
    return []


def leave() -> NoReturn:
    """End when everybody who was let in has an answer, and every tunnel has."""
    while TUNNELS:
        time.sleep(0.1)
    for _ in range(PLACES):
        AT_A_TIME.acquire(timeout=2 * ROUND)
    os._exit(0)


def main() -> NoReturn:
    """Answer until told to stop."""
    redirects: list[tuple[str, str]] = []
    sockets: list[socket.socket] = []
    words = sys.argv[1:]
    while words:
        name, value = words.pop(0), words.pop(0)
        if name == "--redirect":
            prefix, _, url = value.partition("=")
            redirects += written(url) if prefix == "FILE" else [(prefix, url)]
        elif name == "--fd":
            sock = socket.socket(fileno=int(value))
            # Containers wait for the worker: it alone knows which of them may come in.
            sockets += [sock] if is_loopback(sock.getsockname()[0]) else []
    wake_read, wake_write = socket.socketpair()
    wake_write.setblocking(False)
    signal.set_wakeup_fd(wake_write.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    while True:
        readable = select.select([*sockets, wake_read], [], [])[0]
        if wake_read in readable:
            leave()
        for sock in readable:
            with contextlib.suppress(BlockingIOError, ConnectionError):
                let_in(sock.accept()[0], redirects)


if __name__ == "__main__":
    main()
