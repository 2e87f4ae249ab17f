"""Where clients are sent while no worker can answer: a gateway's prefix, and the origin's for it.

The ecosystems are asked with a name that nobody has, and where that name ends the origin's
URL, the rest of the URL is the prefix for all names. So the core needs no knowledge of any layout.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Iterable
from pathlib import Path

from headrace.interface.hookspecs import DiscoveredOrigin, Ecosystem
from headrace.models import PassThrough, Reply, Request, ServeDocument
from headrace.redact import for_files
from headrace.system import atomic

__all__ = ["FILE", "record", "redirects"]

FILE = "redirects.json"
"""Below a gateway's state: what its worker wrote for the time in which none answers."""

_NAME = "headrace-nobody-has-this-name"


def redirects(
    ecosystems: Iterable[Ecosystem], origins: Iterable[DiscoveredOrigin] = ()
) -> tuple[str, ...]:
    """Return ``/prefix/=URL/`` for each prefix that has an origin's URL; never a credential.

    ``/prefix/=`` is one whose clients are told 404 at once: the gateway answers there for itself,
    and who is refused there goes to the origin by itself. An origin whose login stood in its URL
    has none: the gateway alone has that login, so its clients wait for the next worker instead of
    being asked for a password.
    """
    found: dict[str, str] = {}
    lent = {each.origin.url.rstrip("/") for each in origins if each.credential is not None}
    for ecosystem in ecosystems:
        for prefix in ecosystem.prefixes:
            with contextlib.suppress(Exception):  # a plugin's bug is its own requests' alone
                url = _leads_to(ecosystem, prefix, lent)
                if url is not None:
                    found.setdefault(prefix, url)
    return tuple(f"{prefix}={url}" for prefix, url in sorted(found.items()))


def record(folder: Path, found: Iterable[str]) -> None:
    """Tell the holder's responder, where it has no redirects on its command line."""
    # Who cannot write it serves all the same.
    with contextlib.suppress(OSError):
        atomic.replace(folder / FILE, json.dumps(list(found)).encode(), mode=0o600)


def _leads_to(ecosystem: Ecosystem, prefix: str, lent: Collection[str]) -> str | None:
    """Return the origin's URL for a prefix; empty: nobody's; None: it has none."""
    if isinstance(ecosystem.plan(Request("GET", prefix)), Reply):
        return ""
    plan = ecosystem.plan(Request("GET", f"{prefix}{_NAME}/"))
    if not isinstance(plan, ServeDocument | PassThrough):
        return None
    if plan.origin.url.rstrip("/") in lent:
        return None
    base, name, rest = for_files(plan.url).partition(_NAME)
    fits = name and rest in ("", "/") and base.isascii() and base.isprintable()
    return base if fits else None
