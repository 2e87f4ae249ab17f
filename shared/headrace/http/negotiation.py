"""Which representation a client takes (RFC 9110 section 12.5.1). Pure."""

from __future__ import annotations

from headrace.http.conditional import quality

__all__ = ["suits"]


def suits(kind: str, accept: str, asked: str) -> bool:
    """Whether what an origin gave as `kind` to whoever asked with `asked` is what it would have
    given to a client that asks with `accept`: both like the same kind best, or the client this one.
    """
    told, ours = _weights(accept), _weights(asked)
    given = kind.partition(";")[0].strip().lower()
    if told.get(given, 0.0) <= 0.0:
        return False
    best = max(told, key=lambda each: told[each])
    return best == given or best == max(ours, key=lambda each: ours[each], default="")


def _weights(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in accept.split(","):
        kind, _, parameters = part.strip().partition(";")
        if kind:
            found[kind.strip().lower()] = quality(parameters)
    return found
