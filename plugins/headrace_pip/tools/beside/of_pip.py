"""What pip has beside its index that the gateway cannot take over (pip's reference of options,
23.2 to 26.3): a client certificate, hosts that are trusted unchecked, no index at all, no proxies.
Its file of authorities goes along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from headrace.interface import Place, Reader
from headrace_pip.tools import pip_config
from headrace_pip.tools.beside.reasons import Reason, first, insecure_host, is_false, is_true

__all__ = ["left_alone"]

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
    for each in _settings(place, read, "trusted-host"):
        yield insecure_host(origin(), each.value.split(), each.where, "trusted-host")
    for each in _settings(place, read, "no-index"):
        if not is_false(each.value):
            yield Reason(each.where, "says no-index: pip asks no index at all", "as you wish")
    for each in _settings(place, read, "no-proxy-env"):
        if is_true(each.value) and any(place.environment.get(name) for name in _PROXIES):
            what = "says no-proxy-env: pip passes the proxy by that the gateway would use"
            yield Reason(each.where, what, "unset the proxy, or take no-proxy-env out")


def _settings(place: Place, read: Reader, name: str) -> Iterator[pip_config.Setting]:
    for each in pip_config.settings(place, read, (name,)):
        lasting = place.command or each.level in ("global", "user", "env var")
        machines = place.scope != "system" or each.level in ("global", "env var")
        if lasting and machines:
            yield each
