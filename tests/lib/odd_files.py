"""Files that people have: odd, and mostly read by their tools (tests/data/odd_files)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["OddFile", "odd_files"]

_FOLDER = Path(__file__).resolve().parents[1] / "data" / "odd_files"


@dataclass(frozen=True, slots=True)
class OddFile:
    """One file, and what its tool makes of it."""

    name: str
    content: bytes = field(repr=False)
    reads: bool
    """Whether the tool reads it."""
    told: dict[str, Any]
    """The rest of the row."""

    def __str__(self) -> str:
        return self.name


def odd_files(table: str) -> list[OddFile]:
    """Give the rows of one table."""
    rows = tomllib.loads((_FOLDER / f"{table}.toml").read_text("utf-8"))["file"]
    return [
        OddFile(
            row["name"],
            row["content"].encode(row.get("encoding", "utf-8")),
            row.get("reads", True),
            row,
        )
        for row in rows
    ]
