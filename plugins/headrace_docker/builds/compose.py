"""``docker compose build``: each service's Dockerfile is sent as `buildkit` has it.

compose says itself what its files come to; that, with other Dockerfiles and our secrets, is what
is built.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from headrace.interface import (
    ContainerCommand,
    InsideLead,
    LedInside,
    LocalError,
    NotLed,
    Place,
    read_json_or_none,
)
from headrace_docker.builds import buildkit
from headrace_docker.builds import words as command_lines
from headrace_docker.builds.networks import led_on
from headrace_docker.builds.words import CommandLine
from headrace_docker.engines.running import Machine

__all__ = ["ComposeBuilds"]

#: compose's own options with a value behind them.
_VALUES = frozenset(
    """
    --ansi --env-file --file --parallel --profile --progress --project-directory --project-name
    -f -p
    """.split()  # noqa: SIM905 - one that can be read
)
#: Seconds for an answer of the engine's.
_LIMIT = 20.0


@dataclass(frozen=True)
class ComposeBuilds:
    """Implements `headrace.interface.LeadsContainers`."""

    machine: Machine

    def inside(self, words: Sequence[str], place: Place) -> LedInside | NotLed | None:
        """Say how the steps of the services' builds are led."""
        outer = command_lines.read(words, ("docker",), buildkit.VALUES, (("compose",),))
        inner = ("compose", *(outer.rest if outer else ()))
        line = command_lines.read(inner, ("compose",), _VALUES, (("build",),))
        if outer is None or line is None:
            return None
        if (why := buildkit.why_not(self.machine, outer, place)) is not None:
            return why
        asked = (*outer.own, *line.own, "config", "--format", "json")
        told = read_json_or_none(self.machine.said(*asked, limit=_LIMIT).encode())
        builds = _builds(told)
        if not isinstance(told, dict) or not builds:
            return NotLed("compose tells of no service that is built from a file")
        networks = {str(each.get("network") or "default") for each in builds.values()}
        command = partial(_command, outer, line, told, builds)
        if networks == {"host"}:
            return LedInside(command)
        if networks != {"default"}:
            return NotLed(f"its steps are on networks of their own: {', '.join(sorted(networks))}")
        bridge = self.machine.said(*outer.own, "network", "inspect", "bridge", limit=_LIMIT)
        return led_on("bridge", bridge, command, there=True)


def _builds(told: Any) -> dict[str, dict[str, Any]]:
    """Return what is built from files, by service."""
    services = told.get("services") if isinstance(told, dict) else None
    found = {}
    for name, service in (services or {}).items():
        build = service.get("build")
        if isinstance(build, dict) and "dockerfile_inline" not in build:
            found[str(name)] = build
    return found


def _command(
    outer: CommandLine,
    line: CommandLine,
    told: dict[str, Any],
    builds: dict[str, dict[str, Any]],
    lead: InsideLead,
) -> ContainerCommand:
    """Build what compose says, with Dockerfiles whose steps are led."""
    secrets, files = buildkit.secrets_of(lead)
    led = 0
    for number, build in enumerate(builds.values()):
        source = Path(build["context"]) / build.get("dockerfile", "Dockerfile")
        sent = lead.scratch / f"Dockerfile-{number}"
        try:
            files |= buildkit.sent_in_place_of(source, sent, secrets, lead)
        except LocalError:
            continue  # this one is built as it is
        led += 1
        build["dockerfile"] = str(sent)
        build["secrets"] = [*build.get("secrets", []), *({"source": each} for each in secrets)]
    if not led:
        raise LocalError("not-led", "no service has a Dockerfile whose steps can be led")
    named = {name: {"file": str(path)} for name, path in secrets.items()}
    told["secrets"] = {**told.get("secrets", {}), **named}
    merged = lead.scratch / "compose.json"
    files[merged] = json.dumps(told).encode()
    folder = command_lines.option(line.own, "--project-directory")
    first = command_lines.option(line.own, "--file", "-f")
    where = folder or (str(Path(first).parent) if first else ".")
    words = (*outer.own, "compose", f"--project-directory={where}", f"--file={merged}")
    return ContainerCommand((*words, "build", *line.rest), files=files)
