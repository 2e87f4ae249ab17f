"""What a client asks for beside a path: the form of a page (PEP 691), and how fresh it must be."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qs

from headrace.interface import Request
from headrace_pip.index import environment

__all__ = ["ORIGINS_LINKS", "insists", "preferred_form", "writes_down"]

#: Of a form's name: its links are the origin's own.
ORIGINS_LINKS = ", origin's links"

_JSON = ("application/vnd.pypi.simple.v1+json", "application/vnd.pypi.simple.latest+json")
_HTML = (
    "application/vnd.pypi.simple.v1+html",
    "application/vnd.pypi.simple.latest+html",
    "text/html",
)


def preferred_form(request: Request) -> str:
    """Return ``json`` for a client that names JSON and likes HTML no better, else ``html``."""
    return _form(request.query, request.headers.get("accept", ""))


@lru_cache(maxsize=16)  # a client asks the same hundreds of times
def _form(query: str, accept: str) -> str:
    wanted = parse_qs(query).get("format", [""])[0]
    if wanted in _JSON:
        return "json"
    if wanted in _HTML:
        return "html"
    weights = _weights(accept)
    json = max((weights.get(kind, 0.0) for kind in _JSON), default=0.0)
    html = max((weights.get(kind, 0.0) for kind in _HTML), default=0.0)
    # A wildcard is no wish for JSON: browsers and curl send one.
    return "json" if json > 0 and json >= html else "html"


def writes_down(request: Request) -> bool:
    """Whether the client puts the links that it gets into a file that its user commits."""
    where = environment.read(request.headers.get("user-agent", ""))
    return where is not None and where.subcommand[:2] == ("pip", "compile")


def insists(request: Request) -> bool:
    """Whether ``max-age=0`` is meant: until 26.1 pip sent it always, since 26.2 only on demand."""
    if "max-age=0" not in request.headers.get("cache-control", ""):
        return False
    where = environment.read(request.headers.get("user-agent", ""))
    return where is not None and where.tool == "pip" and where.tool_version >= (26, 2)


def _weights(accept: str) -> dict[str, float]:
    weights: dict[str, float] = {}
    for item in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        weights[kind] = max(weight, weights.get(kind, 0.0))
    return weights
