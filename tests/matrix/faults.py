"""The table of faults: what a mirror does to files, and to the pages that name them."""

from __future__ import annotations

import email.utils
import functools
import ssl
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from lib.serving import modes
from lib.serving.certificates import authority
from lib.serving.faults import LIES, faults_in
from lib.serving.modes import Mode
from lib.serving.ports import black_hole, refusing
from lib.serving.servers import RecordingServer, Reply
from matrix.stages import Stage

__all__ = ["AT_FILES", "AT_PAGES", "EVERYWHERE", "LYING", "UNSEEN", "applies", "spoil"]

Fault = Callable[[Stage, int], None]
"""Done to the server with a number (the mirrors' own, then the origin's), before the gateway
starts."""
#: Seconds of a server that is late with each answer.
_LATE = 3.0
_LOGIN = Reply(b"<!DOCTYPE html><html><body>Please sign in</body></html>", 200, "text/html")


def _mode(give: Callable[[Stage], Mode], *, times: int | None = None) -> Fault:
    return lambda stage, n: stage.servers[n].fail(give(stage), stage.files, times=times)


def _always(mode: Mode) -> Fault:
    return _mode(lambda _: mode)


def _page(mode: Mode) -> Fault:
    return lambda stage, n: stage.servers[n].fail(mode, stage.pages)


def _shared(name: str) -> Fault:
    """Take a fault from the list of the contract tests, for this file's size."""

    def do(stage: Stage, number: int) -> None:
        known = faults_in(
            stage.files, same_size=stage.twin, other_size=stage.shorter, size=stage.size
        )
        known[name](stage.servers[number], None)

    return do


def _at(share: float, size: int) -> int:
    """Give the offset of a share of a file; of all of it, its last byte."""
    return min(size - 1, int(size * share))


def _cut(share: float) -> Fault:
    return _mode(lambda stage: modes.cut(_at(share, stage.size), of_file=True))


def _stall(share: float) -> Fault:
    return _mode(lambda stage: modes.stall(_at(share, stage.size), of_file=True))


def _cut_once(share: float) -> Fault:
    # Of the response: whichever part is asked for first, it is cut.
    return _mode(lambda stage: modes.cut(_at(share, stage.size) if share < 1 else -1), times=1)


def _late(stage: Stage, number: int) -> None:
    stage.servers[number].delay = _LATE


def _led_to(reply: Reply | None) -> Fault:
    """Redirect to another server, which has the same answer for everything, or nothing at all."""

    def do(stage: Stage, number: int) -> None:
        other = stage.stack.enter_context(RecordingServer(name="elsewhere"))
        if reply is not None:
            other.mounts["/"] = lambda _, __: reply
        stage.servers[number].fail(modes.redirect(other.url), stage.files)

    return do


def _led_in_a_circle(stage: Stage, number: int) -> None:
    mirror = stage.servers[number]
    mirror.fail(modes.redirect(mirror.url), stage.files)


def _led_to_nobody(stage: Stage, number: int) -> None:
    nobody = stage.stack.enter_context(refusing())
    stage.servers[number].fail(modes.redirect(nobody), stage.files)


def _led_to_the_gateway(stage: Stage, number: int) -> None:
    def back(path: str, _: Mapping[str, str]) -> Reply:
        return Reply(b"", 302, headers={"Location": stage.gateway.url + path})

    stage.servers[number].mounts = {"/": back}


def _led_by_nothing(stage: Stage, number: int) -> None:
    stage.servers[number].mounts = {"/": lambda _, __: Reply(b"", 302)}


def _never_connected(stage: Stage, number: int) -> None:
    hole = stage.stack.enter_context(black_hole())
    stage.describe(number, lambda url: url.replace(stage.servers[number].url, hole))


def _unknown_name(stage: Stage, number: int) -> None:
    mine = stage.servers[number].url
    stage.describe(number, lambda url: url.replace(mine, "http://no-such-host.invalid"))


@functools.cache
def _stranger() -> ssl.SSLContext:
    """Give a certificate that nobody here trusts."""
    with tempfile.TemporaryDirectory() as folder:
        return authority(Path(folder)).server


def _untrusted(stage: Stage, number: int) -> None:
    mirror = stage.servers[number]
    mirror.close()
    before, mirror.tls = mirror.url, _stranger()
    mirror.start()
    stage.describe(number, lambda url: url.replace(before, mirror.url))


def _plain_where_tls_is_due(stage: Stage, number: int) -> None:
    stage.describe(number, lambda url: url.replace("http://", "https://"))


def _stale(stage: Stage, number: int) -> None:
    stage.stale(stage.servers[number])


def _date(seconds: float) -> str:
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


AT_FILES: Mapping[str, Fault] = {
    # Those of the contract tests: refused, silent, cut, stalled, lies, statuses …
    **{name: _shared(name) for name in faults_in("*", same_size=bytes, other_size=bytes)},
    # No answer, or none in time.
    "connecting-never-ends": _never_connected,
    "unknown-name": _unknown_name,
    "hang-up": _always(modes.HANG_UP),
    "hang-up-reset": _always(modes.HANG_UP_RESET),
    "late": _late,
    "tls-untrusted": _untrusted,
    "tls-is-none": _plain_where_tls_is_due,
    # Cut and stalled.
    "cut-once-at-1%": _cut_once(0.01),
    "cut-once-at-50%": _cut_once(0.5),
    "cut-once-at-last-byte": _cut_once(1),
    "cut-at-1%": _cut(0.01),
    "cut-at-last-byte": _cut(1),
    "reset-at-first-byte": _always(modes.cut(0, reset=True)),
    "stalled-after-head": _always(modes.stall(0)),
    "stalled-at-1%": _stall(0.01),
    "stalled-at-last-byte": _stall(1),
    "drip": _always(modes.slow(1)),
    # Statuses.
    "204": _always(modes.status(204)),
    "206-of-nothing": _mode(lambda _: modes.status(206)),
    "304": _always(modes.status(304)),
    "416": _always(modes.status(416)),
    "451": _always(modes.status(451)),
    "504": _always(modes.status(504)),
    "429-once": _mode(lambda _: modes.status(429, retry_after="1"), times=1),
    "429-retry-after-1": _always(modes.status(429, retry_after="1")),
    "429-retry-after-date": _mode(lambda _: modes.status(429, retry_after=_date(60))),
    "503-once": _mode(lambda _: modes.status(503), times=1),
    # Wrong bytes.
    "corrupt-once": _mode(lambda stage: modes.corrupt(stage.size // 3), times=1),
    "zeros": _mode(lambda stage: modes.swapped(bytes(stage.size))),
    "empty": _always(modes.swapped(b"")),
    "one-byte-short": _mode(lambda stage: modes.swapped(stage.twin()[:-1])),
    "one-byte-long": _always(modes.wrong_length(1)),
    # Heads that lie.
    "wrong-content-range": _always(modes.wrong_range(1)),
    "other-total": _always(modes.other_total(1)),
    "no-content-range": _always(modes.NO_RANGE_TOLD),
    "multipart": _always(modes.MULTIPART),
    "other-etag-each-time": _always(modes.NEW_TAGS),
    "false-gzip": _always(modes.FALSE_GZIP),
    "body-too-long": _always(modes.more(1000)),
    "no-length": _always(modes.NO_LENGTH),
    # Redirects.
    "redirect-to-one-who-has-it-not": _led_to(None),
    "redirect-to-a-login-page": _led_to(_LOGIN),
    "redirect-in-a-circle": _led_in_a_circle,
    "redirect-to-nobody": _led_to_nobody,
    "redirect-to-the-gateway": _led_to_the_gateway,
    "redirect-without-location": _led_by_nothing,
    # The file is not there yet.
    "stale": _stale,
}

AT_PAGES: Mapping[str, Fault] = {
    "page-stale": _stale,
    "page-empty": _page(modes.swapped(b"")),
    "page-html": _page(modes.HTML),
    "page-403": _page(modes.status(403)),
    "page-404": _page(modes.status(404)),
    "page-429": _page(modes.status(429, retry_after="60")),
    "page-500": _page(modes.status(500)),
    "page-silent": _page(modes.SILENT),
    "page-cut": _page(modes.cut(100)),
    "page-stalled": _page(modes.stall(100)),
    "page-corrupt": _page(modes.corrupt(150)),
    "page-garbage": _page(modes.GARBAGE),
    "page-gzip-false": _page(modes.FALSE_GZIP),
    "page-truncated": _page(modes.TRUNCATE),
    "page-drip": _page(modes.slow(1)),
}

#: Whose answer looks right but for its bytes. What the origin itself gives so has no remedy.
LYING = frozenset((*LIES, "zeros", "corrupt-once", "one-byte-short", "empty", "stale"))
#: What is told by an address in the settings, which has none for the origin.
_BY_ADDRESS = ("connecting-never-ends", "unknown-name", "tls-untrusted", "tls-is-none")

#: What is about a whole server, whatever it is asked.
EVERYWHERE = ("late", "redirect-to-the-gateway", "redirect-without-location", "stale")
#: Of these servers see no request.
UNSEEN = ("refused", *_BY_ADDRESS)


def applies(fault: str, size: int, *, origin: bool) -> bool:
    """Say whether a fault can be had with a file of this size, and by the origin too."""
    if "300kB" in fault and size <= 300_000:
        return False
    return not origin or not (
        fault in LYING
        or fault in _BY_ADDRESS
        or fault.startswith(("page-", "swapped", "redirect"))
        # The pages of the origin, which nothing can stand in for, come from the same host.
        or fault in ("refused", "late")
    )


def spoil(stage: Stage, fault: str, numbers: Iterable[int]) -> None:
    """Give some servers a fault."""
    do = AT_FILES.get(fault) or AT_PAGES[fault]
    for number in numbers:
        do(stage, number)
