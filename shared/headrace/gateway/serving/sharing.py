"""What the replicas of a fleet share, put together: the bucket, and what they tell each other."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

from headrace.errors import LocalError, SettingsError
from headrace.ownership import files as ownership
from headrace.serve_settings import ServeSettings
from headrace.upstream.objects.bucket import Bucket
from headrace.upstream.shared_state.leases import REPLICA
from headrace.upstream.shared_state.store import StateStore
from headrace.upstream.tls import Authorities
from headrace.values import dataclass

__all__ = ["Sharing", "replica_token"]

#: Bytes of the file, and the fewest that are a secret.
_LARGEST, _LEAST = 4096, 16
#: What the secret is used for, and in which version.
_FOR = b"headrace replica 1"


@dataclass(frozen=True, slots=True)
class Sharing:
    """What a replica shares; each part may be missing."""

    bucket: Bucket | None = None
    serve_from_bucket: bool = False
    """Clients that can are led to the bucket."""
    state: StateStore | None = None
    advertise: str = ""
    """URL at which the others reach this one."""
    token: str | None = None
    """What replicas show each other."""
    certificate: str = ""
    """PEM file of the certificate that all of them have; empty: they speak without TLS."""

    @classmethod
    def of(cls, settings: ServeSettings) -> Sharing:
        """Make what the settings name; SettingsError and LocalError where that cannot be. Nothing
        is asked yet.
        """
        token = replica_token(settings)
        if settings.shared_state and not (settings.advertise and token):
            raise SettingsError(
                "replicas-unknown",
                "serve.shared_state: replicas take bytes from each other, so each needs a URL and "
                "all of them one secret",
                hint="set `advertise` (this replica's own URL) and `replica_secret` (a file)",
            )
        return cls(
            Bucket(settings.store) if settings.store else None,
            settings.serve_from == "bucket",
            StateStore(settings.shared_state) if settings.shared_state else None,
            settings.advertise,
            token,
            settings.certificate,
        )

    def seal(self, text: str) -> str:
        """Return what only who knows the secret can make of a text."""
        return hmac.new((self.token or "").encode(), text.encode(), hashlib.sha256).hexdigest()

    def authorities(self) -> Authorities | None:
        """Return who vouches for another replica: the certificate that all have, or whoever signed
        it, and nobody else. They go by their addresses, which are no names in it.
        """
        if not self.certificate:
            return None
        try:
            version = Path(self.certificate).stat().st_mtime_ns
        except OSError:
            version = 0
        return Authorities((self.certificate,), alone=True, names=False, version=version)

    def headers(self, source: str) -> Mapping[str, str]:
        """Return what a source is shown, where it is another replica."""
        if self.token is None or not source.startswith(f"{REPLICA} "):
            return {}
        shown = base64.b64encode(f"headrace:{self.token}".encode()).decode("ascii")
        return {"authorization": f"Basic {shown}"}


def replica_token(settings: ServeSettings) -> str | None:
    """Return what replicas show each other, made of their secret; None: they have none.

    SettingsError where the file cannot be used.
    """
    if not settings.replica_secret:
        return None
    path = Path(settings.replica_secret)
    try:
        secret = ownership.read(path, most=_LARGEST).strip()
    except (OSError, LocalError) as error:
        raise _bad(path, str(error)) from error
    if len(secret) < _LEAST:
        raise _bad(path, f"it has fewer than {_LEAST} bytes")
    return hmac.new(secret, _FOR, hashlib.sha256).hexdigest()


def _bad(path: Path, why: str) -> SettingsError:
    return SettingsError(
        "bad-replica-secret",
        f"serve.replica_secret: {path} cannot be used: {why}",
        hint="a file of at least 16 random bytes, the same for every replica",
    )
