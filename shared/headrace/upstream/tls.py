"""Which certificate authorities are trusted upstream: what the environment says, and for the origin
of a tool that has a file of its own that file alone, as the tool has it.

Making a context parses some hundred certificates (about 25 ms), so there is one for each choice,
made when the first https upstream is asked that it is for. The files that the environment names are
checked when the process starts, so that a wrong path is one clear error and not one failure for
each request.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from headrace.config import EnvVars
from headrace.errors import SettingsError, UpstreamError
from headrace.models import Fault
from headrace.ownership.files import opened
from headrace.policy.destinations import Initiator
from headrace.values import dataclass

__all__ = ["Authorities", "AuthoritiesOf", "SharedContext", "TrustStore"]

#: First one that is set and not empty wins, and replaces every other root.
_CHOICES = (
    EnvVars.SSL_CERT_FILE,
    EnvVars.SSL_CERT_DIR,
    EnvVars.REQUESTS_CA_BUNDLE,
    EnvVars.CURL_CA_BUNDLE,
    EnvVars.PIP_CERT,
)


@dataclass(frozen=True, slots=True)
class Authorities:
    """What tools themselves trust for some upstreams."""

    files: tuple[str, ...]
    """PEM files, or folders of hashed certificates."""
    alone: bool
    """Nothing else is trusted; else these beside all that others are asked with."""
    names: bool = True
    """Whether the name in the URL has to be one of the certificate's."""
    version: int = 0
    """What differs when the files were written anew."""


#: Says what is to be trusted in somebody's name; None: what the environment says.
AuthoritiesOf = Callable[[Initiator], Authorities | None]


class SharedContext(ssl.SSLContext):
    """A client's context that agrees on protocols of its own (ALPN), and shares all else.

    The authorities of a context take a megabyte. OpenSSL copies the list of protocols when a
    connection's TLS begins, so that it need be there for no longer than that call.
    """

    _context: ssl.SSLContext
    _protocols: list[str]

    @classmethod
    def of(cls, context: ssl.SSLContext) -> SharedContext:
        """Make one that begins connections of another."""
        made = cls(ssl.PROTOCOL_TLS_CLIENT)
        made._context, made._protocols = context, []
        return made

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Say what connections agree on."""
        self._protocols = list(alpn_protocols)

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        """Begin a connection, as asyncio, uvloop and anyio do."""
        self._context.set_alpn_protocols(self._protocols)
        return self._context.wrap_bio(*given, **named)

    def wrap_socket(self, *given: Any, **named: Any) -> ssl.SSLSocket:
        """The same over a socket."""
        self._context.set_alpn_protocols(self._protocols)
        return self._context.wrap_socket(*given, **named)


class TrustStore:
    """The roots of trust that the environment names, else the system's and certifi's together."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Find the choice; SettingsError when it names nothing that can be read."""
        self.chosen_by = next((name for name in _CHOICES if env.get(name)), None)
        self.path = Path(env[self.chosen_by]) if self.chosen_by else None
        if self.path is None:
            return
        try:
            if not self.path.is_dir():
                with opened(self.path) as file:
                    file.read(1)
        except OSError as error:
            raise self._bad(str(error.strerror)) from error

    def _bad(self, why: str) -> SettingsError:
        return SettingsError(
            "bad-certificates",
            f"{self.chosen_by} names {self.path}, which cannot be used: {why}",
            hint=f"set {self.chosen_by} to a PEM file or unset it, then run `headrace on` again",
        )

    def describe(self, own: Authorities | None = None) -> str:
        """Say where trust comes from, for error hints and `doctor`."""
        usual = f"{self.chosen_by}={self.path}" if self.path else "the system's store and certifi"
        if own is None:
            return usual
        return " and ".join([*own.files, *([] if own.alone else [usual])])

    def context(self, own: Authorities | None = None) -> ssl.SSLContext:
        """Make a context; SettingsError when a file of the environment's is no certificate,
        UpstreamError, of Fault.TLS, when one of a tool's own is none.
        """
        if own is not None and own.alone:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        elif self.path is None:
            context = ssl.create_default_context()
            _add_certifi(context)
        else:
            try:
                if self.path.is_dir():
                    context = ssl.create_default_context(capath=str(self.path))
                else:
                    context = ssl.create_default_context(cafile=str(self.path))
            except (ssl.SSLError, OSError) as error:
                raise self._bad(str(error)) from error
        for file in own.files if own is not None else ():
            _add_own(context, Path(file))
        if own is not None and not own.names:
            context.check_hostname = False
        # Python 3.13 turned on RFC 5280's letter (authority key identifiers and the like), which
        # company authorities of an older make fail while curl, uv and the browsers accept them.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        # And a company often hands out its intermediate authority alone.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context


def _add_certifi(context: ssl.SSLContext) -> None:
    """Add certifi's roots: bare containers have no store, python.org's macOS builds see none."""
    try:
        import certifi  # noqa: PLC0415 - a cost only of processes that go upstream

        context.load_verify_locations(certifi.where())
    except (ImportError, OSError, ssl.SSLError):  # the system's store stands alone
        return


def _add_own(context: ssl.SSLContext, path: Path) -> None:
    try:
        if path.is_dir():
            context.load_verify_locations(capath=str(path))
        else:
            context.load_verify_locations(cafile=str(path))
    except (ssl.SSLError, OSError) as error:
        raise UpstreamError(
            Fault.TLS,
            f"{path}, which a tool's own settings name for its authorities, cannot be used: "
            f"{error}",
            hint="mend that setting, then run `headrace on` again",
        ) from error
