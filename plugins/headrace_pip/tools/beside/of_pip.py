"""What pip has beside its index that the gateway cannot take over (pip's reference of options,
23.2 to 26.3): a client certificate, hosts that are trusted unchecked, no index at all, no proxies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from headrace.interface import HeadraceError, Place, Reader
from headrace_pip.tools import pip_config
from headrace_pip.tools.beside.reasons import Reason, first, insecure_host, is_false, is_true

__all__ = ["left_alone"]

#: What the gateway obeys before pip's own file of authorities (`headrace.upstream.tls`): the first
#: that is set, and no other.
_AUTHORITIES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END")
_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


def left_alone(place: Place, read: Reader, origin: Callable[[], str]) -> Reason | None:
    """Say why pip is left as it is; `origin` gives the URL of its index, and is asked if need be.

    For ``on`` a virtual environment's own file does not count, as its index does not.
    """
    return first(_reasons(place, read, origin))


def _reasons(place: Place, read: Reader, origin: Callable[[], str]) -> Iterator[Reason | None]:
    for each in _settings(place, read, "client-cert"):
        what = "names a client certificate, which the gateway does not have"
        yield Reason(each.where, what, "take client-cert out, if the index does without")
    cert = pip_config.effective(place, read, ("cert",))
    obeyed = next((name for name in _AUTHORITIES if place.environment.get(name)), None)
    if cert and obeyed and not _covers(place.environment[obeyed], cert.value, read):
        what = f"names authorities that are not in {obeyed}, which the gateway obeys"
        yield Reason(cert.where, what, "put both into one file, and name it in both places")
    for each in _settings(place, read, "trusted-host"):
        yield insecure_host(origin(), each.value.split(), each.where, "trusted-host")
    for each in _settings(place, read, "no-index"):
        if not is_false(each.value):
            yield Reason(each.where, "says no-index: pip asks no index at all", "as you wish")
    for each in _settings(place, read, "no-proxy-env"):
        if is_true(each.value) and any(place.environment.get(name) for name in _PROXIES):
            what = "says no-proxy-env: pip passes the proxy by that the gateway would use"
            yield Reason(each.where, what, "unset the proxy, or take no-proxy-env out")


def _covers(ours: str, theirs: str, read: Reader) -> bool:
    """Whether whoever trusts `ours` trusts all that `theirs` names: the same path, a folder and the
    bundle of it that lies there, or files with the same certificates and more.
    """
    if Path(ours) in (Path(theirs), Path(theirs).parent):
        return True
    try:
        wanted, given = (
            {b"".join(each.split()) for each in _CERTIFICATE.findall(read(Path(path)) or b"")}
            for path in (theirs, ours)
        )
        return bool(wanted) and wanted <= given
    except (OSError, HeadraceError):  # a folder, or nothing
        return False


def _settings(place: Place, read: Reader, name: str) -> Iterator[pip_config.Setting]:
    for each in pip_config.settings(place, read, (name,)):
        lasting = place.command or each.level in ("global", "user", "env var")
        machines = place.scope != "system" or each.level in ("global", "env var")
        if lasting and machines:
            yield each
