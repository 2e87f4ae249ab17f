"""The record of what came, as a command reads it."""

from __future__ import annotations

from typing import Any

from headrace.cli.context import Context
from headrace.errors import LocalError
from headrace.system import download_record

__all__ = ["recorded"]


def recorded(context: Context) -> list[dict[str, Any]]:
    """Return what is recorded, the oldest first; LocalError where it cannot be read."""
    path = context.folders.state / download_record.NAME
    try:
        return list(download_record.entries(path))
    except OSError as error:
        raise LocalError(
            "record-unreadable",
            f"{path} cannot be read: {error.strerror or error}",
            hint="whose is it? The machine's is for root: run this with sudo",
        ) from error
