"""A resolver that asks for one thing after the other, as pip does."""

from __future__ import annotations

import json
import re

from lib.app import App

__all__ = ["PIP", "resolve"]

PIP = "pip/26.3 " + json.dumps(
    {
        "cpu": "x86_64",
        "implementation": {"name": "CPython", "version": "3.11.7"},
        "python": "3.11.7",
        "system": {"name": "Linux", "release": "6.1"},
        "distro": {"libc": {"lib": "glibc", "version": "2.36"}},
    }
)


def resolve(app: App, first: str = "p0") -> int:
    """Ask for a page, its metadata, then each thing that it requires; count the projects."""
    seen, waiting = set(), [first]
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        page = app.page(name, User_Agent=PIP)
        assert page.status == 200
        url = page.json()["files"][0]["url"]
        metadata = app.ask(f"{url}.metadata", {"User-Agent": PIP})
        assert metadata.status == 200
        waiting += re.findall(r"(?m)^Requires-Dist: (\S+)", metadata.body.decode())
    return len(seen)
