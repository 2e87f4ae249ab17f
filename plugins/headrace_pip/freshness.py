"""Whether a mirror has caught up: the index's change counter, on the same page at both.

The official index counts its changes and writes the number on every page; copies of it keep it
(header ``X-PyPI-Last-Serial``, ``meta._last-serial``, or a comment at the end of HTML).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from headrace.interface.hookspecs import FreshnessProbe
from headrace.models import Mirror, Request, Response

__all__ = ["PROBE", "serial_of"]

#: A project whose page is small and changes with each release of pip.
_PATH = "/simple/pip/"
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
_HEADER = "x-pypi-last-serial"
_IN_BODY = re.compile(rb'<!--\s*SERIAL\s+(\d{1,18})\s*-->|"_last-serial"\s*:\s*"?(\d{1,18})')


def serial_of(answer: Response) -> int | None:
    """Return the change counter of a page, None where it bears none."""
    if answer.status != 200:
        return None
    header = answer.headers.get(_HEADER, "")
    if header.isascii() and header.isdigit():
        return int(header)
    found = _IN_BODY.search(answer.body)
    return int(found[1] or found[2]) if found else None


def _requests(mirror: Mirror) -> Sequence[Request]:  # noqa: ARG001 - the same page everywhere
    """Ask for one page by the gateway's path; plan and locate_document tell where that is."""
    return (Request("GET", _PATH, headers={"accept": _ACCEPT}),)


def _judge(mirror: Sequence[Response], origin: Sequence[Response]) -> bool | None:
    """Fresh when the mirror's page is no older than the origin's."""
    for copy, original in zip(mirror, origin, strict=False):
        if copy.status in (404, 410) and original.status == 200:
            return False
        ours, theirs = serial_of(copy), serial_of(original)
        if ours is not None and theirs is not None:
            return ours >= theirs
    return None


PROBE = FreshnessProbe("serial", requests=_requests, judge=_judge)
