"""What is written for conda: one drop-in file of its own, so that no file of the user's is edited.

``channel_settings`` switch the plugin's handler on for the origins' URLs. The entry in
``proxy_servers`` keeps requests to the gateway from the user's proxy, by conda's own rule that a
proxy for scheme and host goes before one for the scheme. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from headrace.interface import GatewayAddress, Origin, Place, Scope

__all__ = ["MARK", "file", "leads_to", "render"]

MARK = "# written by `headrace on`, taken away by `headrace off`"

#: Channels by name, for a conda before 24.5, which knows no patterns of URLs.
_NAMES = ("conda-forge", "bioconda", "pytorch", "nvidia", "pkgs/main", "pkgs/r", "pkgs/msys2")


def file(place: Place) -> Path:
    """Return the drop-in of the scope."""
    if place.scope is Scope.USER:
        return place.home / ".conda" / "condarc.d" / "headrace.yml"
    if place.platform == "win32":
        return Path("C:/ProgramData/conda/condarc.d/headrace.yml")
    return Path("/etc/conda/condarc.d/headrace.yml")


def render(
    origins: Sequence[Origin],
    gateway: GatewayAddress | None,
    command: Sequence[str],
    *,
    by_name: bool = False,
) -> bytes:
    """Write the file; without a gateway the plugin finds it by itself (`headrace run`)."""
    lines = [MARK, "channel_settings:"]
    # JSON's strings are YAML's too.
    channels = [f"{origin.url}/*" for origin in origins] + list(_NAMES if by_name else ())
    for channel in channels:
        lines += [f"  - channel: {json.dumps(channel)}", "    auth: headrace"]
    lines += ["proxy_servers:", '  "http://127.0.0.1": ""']
    if gateway is not None:
        lines += [
            "plugins:",
            f"  headrace_gateway: {json.dumps(gateway.url('').rstrip('/'))}",
            "  headrace_command:",
            *(f"    - {json.dumps(word)}" for word in command),
        ]
    return "\n".join([*lines, ""]).encode()


def leads_to(content: bytes | None, gateway: GatewayAddress) -> bool:
    """Whether a drop-in is ours and names this gateway."""
    if content is None or not content.startswith(MARK.encode()):
        return False
    return f'{gateway.host}:{gateway.port}"\n' in content.decode("utf-8", "replace")
