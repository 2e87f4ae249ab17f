"""What wins over headrace's settings of pip from where the user stands, as status says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from headrace.interface import (
    ConfigurationError,
    GatewayAddress,
    Override,
    Place,
    Reader,
    for_display,
)
from headrace.interface.editing import loopback, presence
from headrace_pip.tools import origins, pip_config
from headrace_pip.tools.beside.reasons import is_false
from headrace_pip.tools.gateway_url import leads_to
from headrace_pip.tools.lockers import PROGRAMS

__all__ = ["of_pip"]

_INDEX_LINE = re.compile(r"^\s*(?:-i|--index-url|--pypi-url)(?:\s*=\s*|\s+|(?=[a-z]+://))(\S+)")
_NO_INDEX_LINE = re.compile(r"^\s*--no-index\b")
#: A folder with more requirement files than this is not looked through.
_MOST_FILES = 50


def of_pip(place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
    """Everything that takes pip past the gateway."""
    return [
        *_proxies(place, read),
        *_pip_settings(place, gateway, read),
        *_requirements(place, gateway, read),
        *_lockers(place),
    ]


def _lockers(place: Place) -> Iterator[Override]:
    """Name the programs here that would write the gateway into files."""
    for name in PROGRAMS:
        if presence.program(place, name) is not None:
            what = "writes the index that pip asks into the files that it makes"
            hint = (
                f"`headrace run -- {name} …` writes your own; `headrace doctor` finds what is not"
            )
            yield Override("pip", name, what, hint, wins=False)


def _proxies(place: Place, read: Reader) -> Iterator[Override]:
    what = "takes requests for 127.0.0.1 to the proxy"
    if name := loopback.proxy_in_the_way(place.environment):
        yield Override("pip", name, what, f"set NO_PROXY={','.join(loopback.HOSTS)}")
    if setting := pip_config.proxy(place, read):
        yield Override("pip", setting.where, what, "set HTTPS_PROXY and NO_PROXY instead")


def _pip_settings(place: Place, gateway: GatewayAddress, read: Reader) -> Iterator[Override]:
    own = place.environment.get("PIP_CONFIG_FILE")
    if own in ("/dev/null", "nul"):
        yield Override("pip", "PIP_CONFIG_FILE", "makes pip skip every file", "unset it")
        return
    if (reason := origins.left_alone(place, read)) is not None:
        yield reason.override("pip")
        return
    # The files as they stand, with our edit in them: what pip asks in the end.
    chosen = pip_config.effective(place, read, pip_config.INDEX_URL, with_us=True)
    stronger = chosen is not None and (
        chosen.level in ("site", "env", "env var") or chosen.section == "install"
    )
    if chosen is not None and leads_to(chosen.value, gateway):
        pass
    elif chosen is not None and stronger:
        section = f" in [{chosen.section}]" if chosen.section == "install" else ""
        what = f"sets index-url{section} to {for_display(chosen.value)}"
        yield Override("pip", chosen.where, what, "remove it there, or use `headrace run`")
    elif own and presence.is_there(Path(own)):
        what = "makes pip skip the user's file"
        yield Override("pip", "PIP_CONFIG_FILE", what, "unset it, or use `headrace run`")
    extra = pip_config.effective(place, read, ("extra-index-url",))
    if extra is not None:
        shown = " ".join(for_display(url) for url in extra.value.split())
        what = f"adds the index {shown}, which pip asks as well"
        hint = "left alone; what is found there is not fetched through the gateway"
        yield Override("pip", extra.where, what, hint, wins=False)
    no_index = pip_config.effective(place, read, ("no-index",))
    if no_index and not is_false(no_index.value):
        yield Override("pip", no_index.where, "no-index: pip asks no index at all", "as you wish")


def _requirements(place: Place, gateway: GatewayAddress, read: Reader) -> Iterator[Override]:
    """An index line in a requirements file drops every configured index."""
    names = ("requirements*.txt", "requirements*.in", "constraints*.txt", "requirements/*.txt")
    files = [file for name in names for file in sorted(place.working_directory.glob(name))]
    for file in files[:_MOST_FILES]:
        try:
            content = read(file) or b""
        except ConfigurationError:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            hint = "remove the line; headrace keeps the origin in charge"
            if (match := _INDEX_LINE.match(line)) and not leads_to(match[1], gateway):
                what = f"sets the index to {for_display(match[1])}"
                yield Override("pip", f"{file}:{number}", what, hint)
            elif _NO_INDEX_LINE.match(line):
                yield Override("pip", f"{file}:{number}", "--no-index", "as you wish")
