"""Who thinks of the inputs: atheris where it exists, else changes of the corpus drawn by a seed.

atheris (libFuzzer for Python) sees which lines an input reaches and goes on from those that reach
new ones. It is made for CPython on Linux and x86-64. Without it the kinds of answers stand in for
lines: an exception at another place, another shape of what came out.
"""

from __future__ import annotations

import importlib.util
import random
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from fuzz.model import Target
from fuzz.mutator import Mutator

__all__ = ["guided", "has_atheris", "instrument", "plain"]

#: Packages whose lines lead atheris: ours, and what parses for us in Python.
_INSTRUMENTED = (
    *("headrace", "headrace_pip", "headrace_conda", "headrace_docker", "headrace_conda_inside"),
    *(
        "fuzz.targets",
        "html",
        "_markupbase",
        "tomllib",
        "tomlkit",
        "configparser",
        "packaging",
        "csv",
        "zipfile",
    ),
)
#: Inputs that the plain engine goes on from.
_MOST_KEPT = 2000
#: One of so many changes is ours where atheris makes the others.
_OURS = 3


def has_atheris() -> bool:
    """Whether atheris is here."""
    return importlib.util.find_spec("atheris") is not None


def instrument() -> None:
    """Have all that is imported from now on tell atheris which lines run."""
    import atheris  # noqa: PLC0415 - where it exists

    # For good: modules are also imported by functions, later.
    atheris.instrument_imports(include=list(_INSTRUMENTED)).__enter__()


def plain(target: Target, run: Callable[[bytes], str], seed: int, until: float, most: int) -> int:
    """Change what is known until the time is over, `most` times at most; return how many inputs
    were worth keeping. `until` is on `time.monotonic`'s clock.
    """
    seeds = target.seeds() or [b""]
    mutator = Mutator(seeds, target.words, target.largest, seed)
    chance = random.Random(seed + 1)
    kept, seen = list(seeds), {run(data) for data in seeds}
    for _ in range(most):
        if time.monotonic() >= until:
            break
        data = mutator.change(chance.choice(kept))
        if chance.random() < 0.2:
            data = mutator.change(data)
        word = run(data)
        if word not in seen and len(kept) < _MOST_KEPT:
            seen.add(word)
            kept.append(data)
    return len(kept) - len(seeds)


def guided(
    target: Target, run: Callable[[bytes], str], seed: int, work: Path, end: Callable[[], bool]
) -> None:
    """Let atheris change what is known. Never returns: `end` leaves the process in time."""
    import atheris  # noqa: PLC0415 - where it exists

    seeds = target.seeds()
    mutator = Mutator(seeds, target.words, target.largest, seed)
    for name in ("grown", "seeds"):
        (work / name).mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(seeds):
        (work / "seeds" / str(number)).write_bytes(data)
    words = work / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in (*target.words, b"0")))

    def one(data: bytes) -> None:
        run(data)
        end()

    def change(data: bytes, largest: int, drawn: int) -> bytes:
        if drawn % _OURS == 0:
            return mutator.change(bytes(data), drawn)[:largest]
        return bytes(atheris.Mutate(data, largest))

    options: Sequence[str] = (
        *(f"-seed={seed or 1}", f"-max_len={target.largest}", f"-dict={words}"),
        *("-timeout=600", "-rss_limit_mb=0", "-len_control=20", "-reload=0"),
        *(f"-artifact_prefix={work}/", str(work / "grown"), str(work / "seeds")),
    )
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=change)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return re.sub(rb"[^ !#-\[\]-~]", lambda odd: b"\\x%02x" % odd[0][0], word).decode("ascii")
