"""The list of faults that a mirror can have, each as something done to a running server."""

from __future__ import annotations

from collections.abc import Callable

from lib import modes, wheels
from lib.servers import RecordingServer
from lib.wheels import Built

SIZE = 24 * 1024 * 1024
"""Payload of the large wheel: enough for several segments from several sources."""
Fault = Callable[[RecordingServer, Built], None]


def large(seed: str = "") -> Built:
    """Return a wheel of 24 MiB; another seed makes a well-formed twin of the same length."""
    return wheels.wheel("large", "1.0", size=SIZE, seed=seed)


def _order(mode: modes.Mode, match: str = "*.whl") -> Fault:
    def apply(server: RecordingServer, _: Built) -> None:
        server.fail(mode, match)

    return apply


def _close(server: RecordingServer, _: Built) -> None:
    server.close()


def _swap_same_size(server: RecordingServer, _: Built) -> None:
    server.fail(modes.swapped(large("evil").data), "*.whl")


def _swap_other_size(server: RecordingServer, _: Built) -> None:
    other = wheels.wheel("large", "1.0", size=SIZE // 2, seed="evil")
    server.fail(modes.swapped(other.data), "*.whl")


FAULTS: dict[str, Fault] = {
    "refused": _close,
    "silent": _order(modes.SILENT),
    "slow": _order(modes.slow(20_000)),
    "cut-after-300kB": _order(modes.cut(300_000)),
    "reset-after-300kB": _order(modes.cut(300_000, reset=True)),
    "cut-at-once": _order(modes.cut(0)),
    "cut-at-half-of-file": _order(modes.cut(SIZE // 2, of_file=True)),
    "stalled-after-300kB": _order(modes.stall(300_000)),
    "stalled-at-half-of-file": _order(modes.stall(SIZE // 2, of_file=True)),
    "truncated": _order(modes.TRUNCATE),
    "wrong-length": _order(modes.wrong_length(1000)),
    "corrupt-first-byte": _order(modes.corrupt(0)),
    "corrupt-middle": _order(modes.corrupt(SIZE // 2)),
    "corrupt-last-byte": _order(modes.corrupt(-1)),
    "swapped-same-size": _swap_same_size,
    "swapped-other-size": _swap_other_size,
    "401": _order(modes.status(401)),
    "403": _order(modes.status(403)),
    "404": _order(modes.status(404)),
    "410": _order(modes.status(410)),
    "429": _order(modes.status(429)),
    "429-retry-after": _order(modes.status(429, retry_after="60")),
    "500": _order(modes.status(500)),
    "502": _order(modes.status(502)),
    "503": _order(modes.status(503)),
    "503-retry-after": _order(modes.status(503, retry_after="60")),
    "html200": _order(modes.HTML),
    "norange": _order(modes.NO_RANGES),
    "gzip": _order(modes.GZIP),
    "garbage": _order(modes.GARBAGE),
}
LIES = ("corrupt-first-byte", "corrupt-middle", "corrupt-last-byte", "swapped-same-size")
"""What only the digest of the whole can tell: by then most of a large file has gone out."""
TELLING = ("cut-at-half-of-file", "stalled-after-300kB", "swapped-same-size", "html200")
"""The kinds that differ most in what a client could notice, for the other versions."""
DISTINCT = (
    "refused",
    "silent",
    "slow",
    "reset-after-300kB",
    "cut-at-half-of-file",
    "stalled-after-300kB",
    "truncated",
    "wrong-length",
    "corrupt-middle",
    "corrupt-last-byte",
    "swapped-other-size",
    "403",
    "404",
    "429-retry-after",
    "503",
    "html200",
    "norange",
    "gzip",
    "garbage",
)
"""One of each kind, where a fast run does not go through all."""
