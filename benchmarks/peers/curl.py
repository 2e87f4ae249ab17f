"""curl: the plain client, one connection a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

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


def get(
    stage: Stage, contender: str, urls: Sequence[str], *, accept: str = "*/*", size: int = 0
) -> Outcome:
    """Fetch URLs and keep nothing; `size` is how much there must be in all, where it matters."""
    with scratch() as folder:
        words = ["curl", "--silent", "--show-error", "--fail", "--parallel", "--compressed"]
        words += ["--location", "--header", f"Accept: {accept}"]
        words += ["--write-out", "%{stderr}got %{size_download} %{num_redirects}\n"]
        for url in urls:
            words += ["--output", "/dev/null", url]
        outcome = stage.run(contender, words, folder)
    if not size or outcome.code:
        return outcome
    # A file that came by way of a redirect did not come through the contender.
    told = re.findall(r"got (\d+) (\d+)", outcome.told)
    got = sum(int(count) for count, moved in told if moved == "0")
    return replace(outcome, right=got == size)
