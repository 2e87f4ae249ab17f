"""What ``headrace --version --json`` tells: which headrace this is, what runs it, where it is."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path

import headrace

__all__ = ["as_json", "table"]


def table() -> dict[str, str]:
    """Return it as plain values, by name."""
    return {
        "version": headrace.__version__,
        "installed_in": str(Path(headrace.__file__).parent),
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "platform": f"{platform.system()} {platform.machine()}".strip(),
    }


def as_json() -> str:
    """Return one JSON document, for programs and for reports of mistakes."""
    return f"{json.dumps(table(), indent=2)}\n"
