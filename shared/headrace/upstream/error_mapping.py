"""Foreign exceptions in our words. The one table; the client is its only user.

The HTTP library's exceptions are told by the names of their classes, so that this file, too, does
without importing it.
"""

from __future__ import annotations

import socket
import ssl

from headrace.models import Fault

__all__ = ["is_stale", "map_exception"]

#: By class name, looked up along the class's bases; the most special one is found first.
_BY_NAME = {
    "ConnectTimeout": (Fault.SILENT, "no connection in time"),
    "PoolTimeout": (Fault.SILENT, "no connection in time"),
    "ConnectError": (Fault.UNREACHABLE, "cannot be reached"),
    "ProxyError": (Fault.UNREACHABLE, "the outgoing proxy refused"),
    "DecodingError": (Fault.PROTOCOL, "its content encoding cannot be decoded"),
    "NetworkError": (Fault.CUT, "the connection broke"),
}


def _causes(error: BaseException) -> list[BaseException]:
    """List the exception and all that led to it, outermost first."""
    found: list[BaseException] = []
    queue = [error]
    while queue:
        one = queue.pop(0)
        if one in found:
            continue
        found.append(one)
        if isinstance(one, BaseExceptionGroup):
            queue.extend(one.exceptions)
        queue.extend(e for e in (one.__cause__, one.__context__) if e is not None)
    return found


def _names(error: BaseException) -> list[str]:
    return [base.__name__ for base in type(error).__mro__]


def is_stale(error: Exception) -> bool:
    """Whether this is what a kept connection raises that the server closed meanwhile."""
    return not {"ReadError", "WriteError", "RemoteProtocolError"}.isdisjoint(_names(error))


def map_exception(error: Exception, *, answered: bool) -> tuple[Fault, str]:
    """Find the fault and a phrase for it; `answered`: the headers had come already.

    What lies below is looked at first: a certificate that is not trusted reaches us as "cannot
    connect".
    """
    causes = _causes(error)
    names = _names(error)
    if special := _special(causes):
        return special
    if isinstance(error, TimeoutError) or {"ReadTimeout", "WriteTimeout"} & set(names):
        return (Fault.STALLED, "bytes stopped") if answered else (Fault.SILENT, "no answer in time")
    said = next((c.strerror for c in causes if isinstance(c, OSError) and c.strerror), str(error))
    for name in names:
        if name in _BY_NAME:
            fault, phrase = _BY_NAME[name]
            return fault, f"{phrase}: {said}" if said else phrase
    if "RemoteProtocolError" in names and ("peer closed" in said or "disconnected" in said):
        return Fault.CUT, "the connection ended early"
    return Fault.PROTOCOL, f"not HTTP: {said or names[0]}"


def _special(causes: list[BaseException]) -> tuple[Fault, str] | None:
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Fault.TLS, f"its certificate is not trusted: {cause.verify_message}"
        # The others say that TLS was waiting for the network, which is no fault of its own.
        if isinstance(cause, ssl.SSLError) and not isinstance(
            cause, ssl.SSLWantReadError | ssl.SSLWantWriteError
        ):
            return Fault.TLS, f"TLS failed: {cause.reason or cause}"
        if isinstance(cause, socket.gaierror):
            return Fault.UNREACHABLE, f"the name has no address: {cause.strerror}"
        if isinstance(cause, PermissionError):
            return Fault.UNREACHABLE, str(cause)
        if isinstance(cause, ConnectionRefusedError):
            return Fault.REFUSED, "connection refused"
    return None
