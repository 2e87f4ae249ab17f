"""The list of faults that a mirror can have, each as something done to a running server."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from lib import wheels
from lib.serving import modes
from lib.serving.servers import RecordingServer
from lib.wheels import Built

SIZE = 24 * 1024 * 1024
"""Payload of the large file: enough for several segments from several sources."""
Fault = Callable[[RecordingServer, object], None]
"""Done to a server; which file it is about, a fault that needs it knows by itself."""


# Asked for several times in most tests: making and hashing it was a quarter of what they cost.
@lru_cache(maxsize=4)
def large(seed: str = "") -> Built:
    """Return a wheel of 24 MiB; another seed makes a well-formed twin of the same length."""
    return wheels.wheel("large", "1.0", size=SIZE, seed=seed)


def _close(server: RecordingServer, _: object) -> None:
    server.close()


def faults_in(
    match: str,
    *,
    same_size: Callable[[], bytes],
    other_size: Callable[[], bytes],
    size: int = SIZE,
) -> dict[str, Fault]:
    """Return all faults for files of `size` bytes whose paths fit `match`; `same_size` and
    `other_size` give well-formed files that stand in a file's place.
    """

    def order(mode: modes.Mode) -> Fault:
        return lambda server, _: server.fail(mode, match)

    def swap(content: Callable[[], bytes]) -> Fault:
        return lambda server, _: server.fail(modes.swapped(content()), match)

    return {
        "refused": _close,
        "silent": order(modes.SILENT),
        "slow": order(modes.slow(20_000)),
        "cut-after-300kB": order(modes.cut(300_000)),
        "reset-after-300kB": order(modes.cut(300_000, reset=True)),
        "cut-at-once": order(modes.cut(0)),
        "cut-at-half-of-file": order(modes.cut(size // 2, of_file=True)),
        "stalled-after-300kB": order(modes.stall(300_000)),
        "stalled-at-half-of-file": order(modes.stall(size // 2, of_file=True)),
        "truncated": order(modes.TRUNCATE),
        "wrong-length": order(modes.wrong_length(1000)),
        "corrupt-first-byte": order(modes.corrupt(0)),
        "corrupt-middle": order(modes.corrupt(size // 2)),
        "corrupt-last-byte": order(modes.corrupt(-1)),
        "swapped-same-size": swap(same_size),
        "swapped-other-size": swap(other_size),
        "401": order(modes.status(401)),
        "403": order(modes.status(403)),
        "404": order(modes.status(404)),
        "410": order(modes.status(410)),
        "429": order(modes.status(429)),
        "429-retry-after": order(modes.status(429, retry_after="60")),
        "500": order(modes.status(500)),
        "502": order(modes.status(502)),
        "503": order(modes.status(503)),
        "503-retry-after": order(modes.status(503, retry_after="60")),
        "html200": order(modes.HTML),
        "norange": order(modes.NO_RANGES),
        "gzip": order(modes.GZIP),
        "garbage": order(modes.GARBAGE),
    }


FAULTS = faults_in(
    "*.whl",
    same_size=lambda: large("evil").data,
    other_size=lambda: wheels.wheel("large", "1.0", size=SIZE // 2, seed="evil").data,
)
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
