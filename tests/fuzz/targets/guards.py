"""What tells friends from strangers: whose a socket is, who else is here, where a name leads, what
a browser sends, and what may go out.
"""

from __future__ import annotations

import contextlib
import ipaddress
import tempfile
from collections.abc import Iterator
from pathlib import Path

import h11

from fuzz.model import BrokenLaw, Run, Target
from headrace.gateway import browsers, response_head
from headrace.gateway.relaying import relayed_link
from headrace.http.dates import epoch_of
from headrace.http.retry_after import retry_after
from headrace.http.validators import strong_etag, validator
from headrace.models import Request
from headrace.ownership import other_systems, sockets
from headrace.policy import destinations
from headrace.system import people
from headrace.system.accelerators.host_view import HostView
from headrace.system.service.last_words import last_words


def _sockets(data: bytes) -> object:
    """The kernel's tables of TCP sockets."""
    tables = [data.decode("ascii", "replace")]
    found = list(sockets.entries(tables[0]))
    ends = ("127.0.0.1", 17223), ("127.0.0.1", 40000)
    owner = sockets.owner_of_connection(tables, *ends)
    holders = sockets.owners_of_listener(tables, "127.0.0.1", 17223)
    if not holders <= {each.uid for each in found}:
        raise BrokenLaw("somebody listens who is in no row")
    return min(len(found), 3), owner, len(holders)


def _other_systems(data: bytes) -> object:
    """What macOS and Windows are asked."""
    text = data.decode("utf-8", "replace")
    return (
        other_systems.netstat_pids(text, "127.0.0.1", 17223),
        other_systems.ps_users(text, 1),
        other_systems.windows_owners(text, "127.0.0.1"),
        other_systems.windows_people(text),
        len(other_systems.dscl_people(text, 501)),
        last_words(text)[:3],
    )


@contextlib.contextmanager
def _people() -> Iterator[Run]:
    """The system's files of accounts, each behind a line of its name."""
    with tempfile.TemporaryDirectory(prefix="headrace-fuzz-") as folder:
        base = Path(folder)
        for name in ("etc", "proc/1", "home/a", "bin", "run"):
            (base / name).mkdir(parents=True)
        (base / "bin" / "sh").touch()
        view = HostView({}, base, "linux", "x86_64", programs="")

        def run(data: bytes) -> object:
            parts = dict(part.partition(b"\n")[::2] for part in data.split(b"=== "))
            for name in ("passwd", "login.defs", "shadow", "nsswitch.conf"):
                (base / "etc" / name).write_bytes(parts.get(name.encode(), b""))
            (base / "proc" / "1" / "comm").write_bytes(parts.get(b"comm", b""))
            found = people.others(view, 1000)
            return len(found.names), found.because[:30]

        yield run


def _destinations(data: bytes) -> object:
    """Hosts as redirects and pages have them."""
    host = data.decode("utf-8", "replace")
    space = destinations.space_of_host(host)
    try:
        address = ipaddress.ip_address(destinations.plain_host(host))
    except ValueError:
        return space
    if len(host) < 260 and space is not destinations.space_of(address):
        raise BrokenLaw(f"{host!r} is {space}")
    if space is destinations.AddressSpace.PUBLIC and not address.is_global:
        raise BrokenLaw(f"{host!r} is public to us alone")
    return space


def _pairs(data: bytes) -> list[tuple[str, str]]:
    lines = (line.partition(":") for line in data.decode("latin-1").split("\n"))
    return [(name, value) for name, _, value in lines]


def _answer(data: bytes) -> object:
    """A status and headers of anybody's, made sendable: a strict client reads them."""
    first, _, rest = data.partition(b"\n")
    status = int(first) if first.isdigit() and len(first) < 6 else 200
    pairs = _pairs(rest)
    response_head.location(rest.decode("utf-8", "replace"))
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    told = (strong_etag(headers.get("etag")), validator(headers), retry_after(headers, 1.0))
    epoch_of(headers.get("date", ""))
    link = relayed_link(
        headers.get("link", ""),
        Request("GET", "/v2/x/tags/list", "n=1&ns=a"),
        "https://r.example/v2/x/tags/list?n=1",
    )
    try:
        raw = response_head.make(status, dict(pairs) | dict(link))
    except response_head.UnsendableError:
        return None
    lines = [b"HTTP/1.1 %d X" % status, *(b"%s: %s" % pair for pair in raw), b"", b""]
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(b"\r\n".join(lines))
    try:
        event = client.next_event()
    except h11.RemoteProtocolError as error:
        raise BrokenLaw(f"a strict client cannot read it: {error}") from error
    if not isinstance(event, h11.Response) or len(event.headers) != len(raw):
        raise BrokenLaw("a strict client reads something else")
    return len(raw), [each is None for each in told], bool(link)


def _browser(data: bytes) -> object:
    headers = {name.strip().lower(): value.strip() for name, value in _pairs(data)}
    return [browsers.sent_by_a_page(headers, 17223, own_page=own) for own in (True, False)]


TARGETS = [
    Target(
        "sockets",
        _sockets,
        (),
        (b"0100007F:4347", b"00000000:0000", b" 0A ", b" 01 ", b"1000", b"0" * 32),
    ),
    Target(
        "other-systems",
        _other_systems,
        (),
        (b"tcp4", b"*.17223", b"LISTEN", b"process:pid", b'"me":', b'"listeners":', b'"people":'),
    ),
    Target(
        "people",
        opened=_people,
        allowed=(),
        words=(b"=== passwd\n", b"=== shadow\n", b"=== nsswitch.conf\n", b"UID_MIN", b"[NOTFOUND="),
    ),
    Target(
        "destinations",
        _destinations,
        (),
        (b"127.0.0.1", b"0x7f", b"::ffff:", b"64:ff9b::", b"2002:", b"%eth0", b".localhost", b"."),
    ),
    Target(
        "answer-head",
        _answer,
        (),
        (
            b"ETag: ",
            b"Content-Length: ",
            b"Content-Type: ",
            b"Link: <",
            b"Retry-After: ",
            b"Date: ",
        ),
    ),
    Target(
        "browser-fields",
        _browser,
        (),
        (
            b"sec-fetch-site: ",
            b"sec-fetch-mode: ",
            b"origin: ",
            b"referer: http://127.0.0.1:17223/",
        ),
    ),
]
