"""aria2 with every mirror at once: the strongest of the multi-source downloaders."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from benchmarks.corpus import Wheel
from benchmarks.stage import Outcome, Stage, checked, scratch

__all__ = ["SETTINGS", "alone", "available", "download"]

#: As it comes; as its manual and its users advise for uneven mirrors; and the selector that did
#: best for four of them.
SETTINGS = {
    "default": [],
    "tuned": [
        "--split=16",
        "--max-connection-per-server=4",
        "--min-split-size=1M",
        "--uri-selector=feedback",
        "--stream-piece-selector=inorder",
        "--lowest-speed-limit=20K",
        "--timeout=5",
        "--retry-wait=1",
    ],
    "adaptive": [
        "--split=8",
        "--max-connection-per-server=2",
        "--min-split-size=1M",
        "--uri-selector=adaptive",
    ],
}


def alone(connections: int) -> list[str]:
    """Give the settings for one host with so many connections."""
    many = str(connections)
    return ["--split=" + many, "--max-connection-per-server=" + many, "--min-split-size=1M"]


def available() -> bool:
    """Tell whether aria2 is installed."""
    return shutil.which("aria2c") is not None


def download(
    stage: Stage, contender: str, bases: Sequence[str], wheel: Wheel, settings: Sequence[str]
) -> Outcome:
    """Fetch one file from all these hosts."""
    with scratch() as folder:
        words = ["aria2c", "--no-conf", "--quiet", "--file-allocation=none", *settings]
        outcome = stage.run(contender, [*words, *(base + wheel.path for base in bases)], folder)
        return checked(outcome, folder, [wheel])
