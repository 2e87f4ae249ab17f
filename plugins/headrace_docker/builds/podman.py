"""``podman build`` and ``buildah bud``: each step is started by an OCI runtime, so that is led.

In the runtime's place stands `oci_runtime`, which adds to a step what leads it: variables, and two
files below its ``/dev``, which is in memory and no part of the image. The engine knows nothing of
it, so neither image, history nor cache do.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
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
from headrace_docker.builds import words as command_lines
from headrace_docker.builds.networks import led_on, led_without_root
from headrace_docker.builds.words import CommandLine
from headrace_docker.engines.running import Machine

__all__ = ["VALUES", "PodmanBuilds", "is_rootless", "program_of"]

_PROGRAMS = ("podman", "buildah")
_BUILDS = (
    ("build",),
    ("image", "build"),
    ("buildx", "build"),
    ("bud",),
    ("build-using-dockerfile",),
)
#: The programs' own options with a value behind them, of podman 4.3 and 5.8, buildah 1.28 and 1.43.
VALUES = frozenset(
    """
    --cdi-spec-dir --cgroup-manager --cni-config-dir --cni-plugin-path --config --conmon
    --connection -c --default-mounts-file --events-backend --hooks-dir --identity --imagestore
    --log-level --module --namespace --network-cmd-path --network-config-dir --out --registries-conf
    --registries-conf-dir --root --runroot --runtime --runtime-flag --short-name-alias-conf --ssh
    --storage-driver --storage-opt --tmpdir --url --userns-gid-map --userns-uid-map --volumepath
    """.split()  # noqa: SIM905 - one that can be read
)
#: Seconds for an answer of the engine's: a build waits longer for less.
_LIMIT = 20.0
_RUNTIME = Path(__file__).with_name("oci_runtime.py")
#: Networks that mean the engine's usual one.
_USUAL = ("", "default", "private", "bridge")


@dataclass(frozen=True)
class PodmanBuilds:
    """Implements `headrace.interface.LeadsContainers`."""

    machine: Machine

    def inside(self, words: Sequence[str], place: Place) -> LedInside | NotLed | None:
        """Say how the steps of a build are led."""
        line = command_lines.read(words, _PROGRAMS, VALUES, _BUILDS)
        if line is None or place.platform != "linux":
            return None
        podman = self.machine.program(place, "podman")
        if podman is None:
            return NotLed("podman is not here, which knows where the engine's network is")
        # Of another program of the same family, which has fewer options, what is usual is asked.
        own = (str(podman), *(line.own[1:] if line.program == "podman" else ()))
        told = self._asked(*own, "info", "--format", "json")
        host = told.get("host") if isinstance(told, dict) else None
        if not isinstance(host, dict):
            return NotLed("podman does not say how it runs here")
        if (why := _why_not(line, place, host)) is not None:
            return why
        runtime = (
            command_lines.option((*line.own, *line.rest), "--runtime")
            or place.environment.get("BUILDAH_RUNTIME")
            or host.get("ociRuntime", {}).get("path", "")
        )
        found = self.machine.program(place, runtime) if runtime else None
        if found is None:
            return NotLed("no OCI runtime is found here")
        return self._on_network(own, line, host, partial(_command, line, str(found), place))

    def _on_network(
        self,
        own: Sequence[str],
        line: CommandLine,
        host: Mapping[str, Any],
        command: partial[ContainerCommand],
    ) -> LedInside | NotLed:
        network = _network(line)
        name = "podman" if network in _USUAL else network.partition(":")[0]
        if name == "host":
            return LedInside(command)
        told = self.machine.said(*own, "network", "inspect", name, limit=_LIMIT)
        if is_rootless(host):
            return led_without_root(network, told, program_of(host), self.machine.own(), command)
        # Its bridge comes with the first container, and goes with the last.
        return led_on(name, told, command, there=False)

    def _asked(self, *words: str) -> object:
        return read_json_or_none(self.machine.said(*words, limit=_LIMIT).encode())


def _network(line: CommandLine) -> str:
    return command_lines.option(line.rest, "--network", "--net") or ""


def _why_not(line: CommandLine, place: Place, host: Mapping[str, Any]) -> NotLed | None:
    """Say why the steps of a build cannot be led; None: they can. `host` is podman's word."""
    isolation = command_lines.option(line.rest, "--isolation")
    isolation = isolation or place.environment.get("BUILDAH_ISOLATION", "")
    if host.get("serviceIsRemote"):
        return NotLed("its containers are on another machine, or in a virtual one")
    if isolation in ("chroot", "rootless"):
        return NotLed(f"with --isolation {isolation} its steps have no runtime of their own")
    network = _network(line)
    return NotLed("its steps have no network") if network == "none" else None


def is_rootless(host: Mapping[str, Any]) -> bool:
    """Whether an engine is a user's own; `host` is podman's word, as below."""
    return bool(host.get("security", {}).get("rootless"))


def program_of(host: Mapping[str, Any]) -> str:
    """Return by which program its containers reach other machines then; "": it does not say."""
    return str(host.get("rootlessNetworkCmd") or "")


def _command(line: CommandLine, runtime: str, place: Place, lead: InsideLead) -> ContainerCommand:
    """Put ours in the place of the runtime."""
    program, described = lead.scratch / "runtime", lead.scratch / "runtime.json"
    table = {
        "runtime": runtime,
        "proxy": lead.proxy,
        "excepted": lead.excepted,
        "certificate": str(lead.certificate),
        "authorities": str(lead.authorities),
        "variables": list(lead.variables),
        "scratch": str(lead.scratch),
        "environment": {
            name: place.environment[name]
            for each in ("HTTPS_PROXY", "NO_PROXY")
            for name in (each, each.lower())
            if name in place.environment
        },
    }
    script = f'#!/bin/sh\nexec "{sys.executable}" -I -S "{_RUNTIME}" "{described}" "$@"\n'
    if any(mark in script[10:].replace('"$@"', "") for mark in ("$", "`", "\\")):
        raise LocalError("not-led", f"the path {_RUNTIME} is none that a shell script can name")
    return ContainerCommand(
        line.said("--runtime", str(program)),
        files={described: json.dumps(table).encode(), program: script.encode()},
        programs=frozenset((program,)),
    )
