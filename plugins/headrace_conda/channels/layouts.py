"""Where a mirror keeps what: the closed list of layouts. Data only picks one by its name.

What all of them have in common is the *word* of a folder: ``cloud/<channel>/<subdir>`` for
community channels, ``pkgs/<name>/<subdir>`` for the defaults. A channel that was set to a mirror's
URL has the same word as the original, so each can give the bytes of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from headrace.interface import dataclass

__all__ = ["LAYOUTS", "Layout"]


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to keep channels, in both directions."""

    meaning: str
    words: Callable[[Sequence[str]], Sequence[str]]
    """Parts of a path below the base to parts of a word."""
    path: Callable[[str | None, str], str | None]
    """Word of the folder and the origin's path of it to the path below the base."""


def _all_but_cloud(name: str | None, _: str) -> str | None:
    return name.removeprefix("cloud") if name and name.startswith("cloud/") else None


LAYOUTS: Mapping[str, Layout] = {
    "anaconda": Layout(
        "both roots side by side: pkgs/<name>/<subdir> and cloud/<channel>/<subdir>",
        words=lambda parts: parts,
        path=lambda name, _: f"/{name}" if name else None,
    ),
    "channels": Layout(
        "community channels alone: <channel>/<subdir>",
        words=lambda parts: ("cloud", *parts),
        path=_all_but_cloud,
    ),
    "same-path": Layout(
        "another host with the very paths of the origin, whichever that is",
        words=lambda _: (),
        path=lambda _, folder: folder,
    ),
}
