"""What wins over headrace's setting of uv from where the user stands, as status says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from headrace.interface import GatewayAddress, Override, Place, Reader, for_display
from headrace.interface.editing import loopback
from headrace_pip.tools import uv_config
from headrace_pip.tools.beside.of_uv import writes_down
from headrace_pip.tools.gateway_url import leads_to

__all__ = ["of_uv"]

#: The line by which uv says how it made a file.
_EMITS = re.compile(rb"(?m)^# {1,8}uv pip compile [^\r\n]*--emit-index-(?:url|annotation)\b")


def of_uv(place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
    """Everything that takes ``uv pip`` past the gateway."""
    return [
        *_proxy(place),
        *_variables(place, gateway),
        *_files(place, gateway, read),
        *_written_down(place, read),
    ]


def _proxy(place: Place) -> Iterator[Override]:
    if name := loopback.proxy_in_the_way(place.environment, loopback.REQWEST):
        what = "takes requests for 127.0.0.1 to the proxy"
        yield Override("uv", name, what, f"set NO_PROXY={','.join(loopback.HOSTS)}")


def _variables(place: Place, gateway: GatewayAddress) -> Iterator[Override]:
    env = place.environment
    for name in uv_config.VARIABLES:
        if (url := env.get(name)) and not leads_to(url, gateway):
            yield Override("uv", name, f"sets the index to {for_display(url)}", f"unset {name}")
            break
    if value := env.get("UV_INDEX"):
        shown = " ".join(for_display(url) for url in value.split())
        hint = "what is found there is not fetched through the gateway"
        yield Override("uv", "UV_INDEX", f"has uv ask {shown} first", hint, wins=False)
    for name in ("UV_NO_CONFIG", "UV_CONFIG_FILE"):
        if env.get(name) not in (None, "", "0", "false"):
            yield Override("uv", name, "makes uv skip the user's uv.toml", f"unset {name}")


def _files(place: Place, gateway: GatewayAddress, read: Reader) -> Iterator[Override]:
    for path, settings in uv_config.user_settings(place, read):
        if url := uv_config.default_index(settings):
            what = f"has an [[index]] with default = true, {for_display(url)}"
            hint = "uv asks that whatever [pip] says; `headrace run -- uv pip …` goes round it"
            yield Override("uv", str(path), what, hint)
    for path, settings in uv_config.project_settings(place, read):
        url = uv_config.default_index(settings) or uv_config.pip_index(settings)
        old = uv_config.old_index(settings)
        if url and not leads_to(url, gateway):
            what = f"sets the index to {for_display(url)}"
            yield Override("uv", str(path), what, "the project's own wish; kept")
        elif old and not leads_to(old, gateway):
            what = f"sets index-url to {for_display(old)}, which uv pip does not obey beside ours"
            hint = "write it as [[index]] with default = true, or use `headrace run -- uv pip …`"
            yield Override("uv", str(path), what, hint)
        elif uv_config.other_indexes(settings):
            what = "names indexes that uv asks first"
            yield Override("uv", str(path), what, "the project's own wish; kept", wins=False)


def _written_down(place: Place, read: Reader) -> Iterator[Override]:
    """Say where ``uv pip compile`` would write the gateway: no setting of uv's keeps it from that
    (tried with uv 0.6 to 0.13: whichever way the index is named, it is written as it is asked).
    """
    asks = [
        (path, key)
        for path, settings in uv_config.project_settings(place, read)
        if (key := writes_down(settings))
    ]
    compiled = place.working_directory / "requirements.txt"
    if _EMITS.search(read(compiled) or b""):
        asks.append((compiled, "--emit-index-…"))
    for path, key in asks:
        what = f"has uv pip compile write the index down ({key}): it would be the gateway"
        hint = "`headrace run -- uv pip compile …` writes your own; `headrace doctor` finds others"
        yield Override("uv", str(path), what, hint, wins=False)
