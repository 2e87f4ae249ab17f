"""The answer to whoever gets nothing."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Refusal"]


class Refusal(Exception):  # noqa: N818 - an answer, no error
    """Why somebody gets nothing."""

    def __init__(self, status: int, words: str, headers: Mapping[str, str] | None = None) -> None:
        """`status` and `headers` of the answer; `words` for people."""
        self.status = status
        self.words = f"headrace: {words}"
        self.headers = headers
