"""By which way the commands of conda's tools are led. Pure.

Looked up in the help of conda 26.7, mamba and micromamba 2, pixi 0.50 and rattler-build 0.40.
"""

from __future__ import annotations

from collections.abc import Sequence

from headrace.interface import LedBy, LedTool, Place, Reader

__all__ = ["every"]

_RUNS = {"": LedBy.PROXY, "run": LedBy.ALONE, "shell": LedBy.ALONE}
#: What fetches nothing, as what a prompt asks.
_OFFLINE = ("activate", "clean", "completer", "config", "deactivate", "env list", "info", "list")
_MAMBAS = {**_RUNS, **dict.fromkeys(_OFFLINE, LedBy.OFFLINE)}
_OFFLINE_OF_PIXI = ("clean", "completion", "config", "info", "task")
_VALUES = ("-n", "--name", "-p", "--prefix", "-r", "--root-prefix", "--rc-file")
_OF_PIXI = ("--manifest-path", "-e", "--environment", "-m")


def every() -> list[LedTool]:
    """Return them all."""
    return [
        LedTool("conda", ("conda",), {"": LedBy.SETTINGS}, modules=("conda",)),
        LedTool("mamba", ("mamba",), _MAMBAS, values=_VALUES),
        LedTool("micromamba", ("micromamba",), _MAMBAS, values=_VALUES),
        LedTool(
            "pixi",
            ("pixi",),
            {
                **_RUNS,
                **dict.fromkeys(("exec", "x"), LedBy.ALONE),
                **dict.fromkeys(_OFFLINE_OF_PIXI, LedBy.OFFLINE),
            },
            values=("--color",),
            before=_of_pixi,
        ),
        LedTool("rattler-build", ("rattler-build",), {"": LedBy.SETTINGS}),
    ]


def _of_pixi(words: Sequence[str], place: Place, read: Reader) -> Sequence[str] | None:
    """Return what installs the environment that ``pixi run`` and ``pixi shell`` need."""
    del place, read
    kept: list[str] = []
    found = False
    at = 1
    while at < len(words):
        word = words[at]
        if word in _OF_PIXI:
            kept += words[at : at + 2]
            at += 1
        elif word in ("run", "shell") and not found:
            found = True
        elif not word.startswith("-"):
            break
        at += 1
    return [words[0], "install", *kept] if found else None
