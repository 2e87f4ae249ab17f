"""The data that come with the code: who reads them checks them.

Read as the files that they are: `importlib.resources`, which reads them out of archives too, costs
every command some milliseconds.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["FOLDER", "text"]

FOLDER = Path(__file__).parent


def text(name: str) -> str:
    """Return a file's text; OSError where it is not there."""
    return FOLDER.joinpath(name).read_text("utf-8")
