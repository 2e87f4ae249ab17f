"""A certificate authority of a test's own, made with the openssl program."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lib.capabilities import lacks


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority's certificate as a PEM file, and a server's context that it vouches for."""

    certificate: Path
    server: ssl.SSLContext


def authority(folder: Path, *names: str) -> Authority:
    """Make an authority and a certificate for 127.0.0.1 and `names`; skip without openssl."""
    if shutil.which("openssl") is None:
        pytest.skip(lacks("programs", "openssl is not installed here"))
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(words: str) -> None:
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)

    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    use = "-addext keyUsage=critical,keyCertSign,cRLSign"
    openssl(f"req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=TestCompanyRoot {use}")
    openssl(f"req {key} -keyout server.key -out server.csr -subj /CN=localhost")
    more = [f"IP:{n}" if n.replace(".", "").isdigit() else f"DNS:{n}" for n in names]
    every = ",".join(["IP:127.0.0.1", "DNS:localhost", *more])
    (folder / "names").write_text(f"subjectAltName={every}\n", "utf-8")
    sign = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names"
    openssl(f"x509 -req -in server.csr {sign} -out server.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return Authority(folder / "ca.pem", context)
