"""curl: the plain client, one connection a file."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.corpus import Wheel
from benchmarks.stage import Outcome, Stage, checked, scratch

__all__ = ["download", "download_many", "get"]


def download(stage: Stage, contender: str, base: str, wheel: Wheel) -> Outcome:
    """Fetch one file and look at its bytes."""
    with scratch() as folder:
        words = ["curl", "--silent", "--show-error", "--fail", "--location", "--remote-name"]
        outcome = stage.run(contender, [*words, base + wheel.path], folder)
        return checked(outcome, folder, [wheel])


def download_many(stage: Stage, contender: str, base: str, wheels: Sequence[Wheel]) -> Outcome:
    """Fetch files sixteen at a time."""
    with scratch() as folder:
        words = ["curl", "--silent", "--show-error", "--fail", "--parallel", "--parallel-max", "16"]
        words += ["--parallel-immediate", "--remote-name-all"]
        outcome = stage.run(contender, [*words, *(base + wheel.path for wheel in wheels)], folder)
        return checked(outcome, folder, wheels)


def get(stage: Stage, contender: str, urls: Sequence[str], *, accept: str = "*/*") -> Outcome:
    """Fetch URLs and keep nothing."""
    with scratch() as folder:
        words = ["curl", "--silent", "--show-error", "--fail", "--parallel", "--compressed"]
        words += ["--header", f"Accept: {accept}"]
        for url in urls:
            words += ["--output", "/dev/null", url]
        return stage.run(contender, words, folder)
