"""A certificate authority of the lab's own, so that its hosts speak TLS as real ones do."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Certificate", "issue"]

_DAYS = "30"
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate for all hosts of a lab."""

    authority: Path
    """What clients must trust."""
    chain: Path
    key: Path


def issue(folder: Path, hosts: Sequence[str]) -> Certificate | None:
    """Make an authority and a certificate for these names; None where openssl is missing.

    Two certificates and not one that signs itself: rustls accepts no authority as a server.
    """
    if shutil.which("openssl") is None:
        return None
    folder.mkdir()
    made = Certificate(folder / "authority.pem", folder / "chain.pem", folder / "key.pem")
    secret, request, extensions = folder / "authority.key", folder / "request", folder / "names"
    names = ",".join(f"DNS:{host}" for host in hosts)
    extensions.write_text(
        f"subjectAltName={names}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
    )
    subject = ("-subj", "/CN=a lab of headrace")
    _openssl("req", "-x509", *_KEY, *subject, "-keyout", secret, "-out", made.authority)
    _openssl("req", "-new", *_KEY, *subject, "-keyout", made.key, "-out", request)
    signer = ("-CA", made.authority, "-CAkey", secret, "-CAcreateserial", "-days", _DAYS)
    _openssl("x509", "-req", *signer, "-in", request, "-extfile", extensions, "-out", made.chain)
    return made


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
