"""A certificate authority for one command: it can vouch for the hosts that are led, and for nobody
else, and for less than a day.

Its name constraints are critical (RFC 5280 section 4.2.1.10): whoever got hold of the key could
not use it for another host, nor for an intermediate authority (path length 0). A constraint on a
name reaches what lies below it too; for that this file, which never signs such a name, is all
there is. The key is in memory and in one file of the gateway's own folder (`Interceptions`), as
long as the command lasts.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import tempfile
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["LIFETIME", "RunAuthority"]

#: How long it vouches, all in all, and how much of that lies in the past: clocks of containers.
LIFETIME = dt.timedelta(hours=24)
_BEFORE = dt.timedelta(minutes=5)
#: Constrained to what nobody has, a kind of name is forbidden; an empty list would allow all.
_NO_NAME = "headrace.invalid"
_ALL_ADDRESSES = ("0.0.0.0/0", "::/0")


class RunAuthority:
    """The authority's certificate and key, and what it has signed."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        """Both belong together."""
        self._certificate = certificate
        self._key = key
        self._contexts: dict[str, ssl.SSLContext] = {}

    @classmethod
    def made(cls, hosts: Iterable[str], now: dt.datetime) -> RunAuthority:
        """Make one for these hosts: names in lower case, or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _named("headrace: this command only")
        permitted, excluded = _constraints(hosts)
        usage = {"key_cert_sign": True, "crl_sign": True}
        certificate = (
            _builder(name, name, key, now - _BEFORE, now - _BEFORE + LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(**usage), critical=True)
            .add_extension(x509.NameConstraints(permitted, excluded), critical=True)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def unpack(cls, certificate: str, key: str) -> RunAuthority:
        """Read what `pack` gave; ValueError for anything else."""
        loaded = serialization.load_pem_private_key(key.encode(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise ValueError("not the kind of key that is made here")  # noqa: TRY004 - as documented
        return cls(x509.load_pem_x509_certificate(certificate.encode()), loaded)

    def pack(self) -> tuple[str, str]:
        """Return certificate and key, both as PEM. The second is a secret."""
        return self.certificate, _pem_of(self._key).decode()

    @property
    def certificate(self) -> str:
        """What its clients must trust, as PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def until(self) -> float:
        """Epoch at which it ends."""
        return self._certificate.not_valid_after_utc.timestamp()

    def context(self, host: str, folder: Path) -> ssl.SSLContext:
        """Return what a server that is `host` answers with. `folder` is private, and for a moment
        holds a key: Python's ssl reads keys from files alone.
        """
        found = self._contexts.get(host)
        if found is None:
            found = self._contexts[host] = self._make(host, folder)
        return found

    def _make(self, host: str, folder: Path) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        ours = self._certificate
        identifier = ours.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        names = x509.SubjectAlternativeName([_general(host)])
        signer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        begin, end = ours.not_valid_before_utc, ours.not_valid_after_utc
        signed = (
            _builder(_named("headrace"), ours.subject, key, begin, end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(signer, critical=False)
            .add_extension(names, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".serving-") as file:
            file.write(_pem_of(key) + signed.public_bytes(serialization.Encoding.PEM))
            file.flush()
            context.load_cert_chain(file.name)
        return context


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    begin: dt.datetime,
    end: dt.datetime,
) -> x509.CertificateBuilder:
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(**on: bool) -> x509.KeyUsage:
    words = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**(dict.fromkeys(words.split(), False) | on))


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _constraints(
    hosts: Iterable[str],
) -> tuple[list[x509.GeneralName], list[x509.GeneralName] | None]:
    """Return what may be vouched for, and what may not be although nothing else says so."""
    names: list[x509.GeneralName] = []
    addresses: list[x509.GeneralName] = []
    for host in sorted(set(hosts)):
        try:
            network = ipaddress.ip_network(host)  # of one address
        except ValueError:
            names.append(x509.DNSName(host))
        else:
            addresses.append(x509.IPAddress(network))
    every = [x509.IPAddress(ipaddress.ip_network(each)) for each in _ALL_ADDRESSES]
    permitted = [*(names or [x509.DNSName(_NO_NAME)]), *addresses]
    return permitted, None if addresses else [*every]
