"""``docker run`` and ``podman run``: one container in the foreground, led while it runs.

By options of its own: a file of variables, and two files below ``/dev``. What the engine writes
down of the container (``inspect``) names them, and the token is worth nothing when it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from headrace.interface import (
    ContainerCommand,
    InsideLead,
    LedInside,
    NotLed,
    Place,
    read_json_or_none,
)
from headrace_docker.builds import buildkit, podman
from headrace_docker.builds import words as command_lines
from headrace_docker.builds.networks import led_on, led_without_root
from headrace_docker.builds.words import CommandLine
from headrace_docker.engines.running import Machine

__all__ = ["SingleContainers"]

_RUNS = (("run",), ("container", "run"))
_VALUES = frozenset((*podman.VALUES, *buildkit.VALUES))
_FOLDER = "/dev/headrace"
_USUAL = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PROXY = ("HTTPS_PROXY", "https_proxy")
_SHORT_DETACHED = "d"
#: Seconds for an answer of the engine's.
_LIMIT = 20.0


@dataclass(frozen=True)
class SingleContainers:
    """Implements `headrace.interface.LeadsContainers`."""

    machine: Machine

    def inside(self, words: Sequence[str], place: Place) -> LedInside | NotLed | None:
        """Say how a container is led."""
        line = command_lines.read(words, ("docker", "podman"), _VALUES, _RUNS)
        if line is None:
            return None
        options, image = _parts(line.rest)
        network = command_lines.option(options, "--network", "--net") or "default"
        host = self._host(line) if line.program == "podman" else {}
        why = _why_not(options, network) or self._elsewhere(line, host, place)
        if why is not None:
            return why
        command = partial(_command, line, self._own_names(line, image))
        if network == "host":
            return LedInside(command)
        usual = "podman" if line.program == "podman" else "bridge"
        name = usual if network in ("default", "bridge") else network.partition(":")[0]
        told = self._said(line, "network", "inspect", name)
        if podman.is_rootless(host):
            own = self.machine.own()
            return led_without_root(network, told, podman.program_of(host), own, command)
        return led_on(name, told, command, there=line.program == "docker")

    def _host(self, line: CommandLine) -> Mapping[str, Any]:
        """Return what podman says of how it runs."""
        told = read_json_or_none(self._said(line, "info", "--format", "json").encode())
        host = told.get("host") if isinstance(told, dict) else None
        return host if isinstance(host, dict) else {}

    def _elsewhere(self, line: CommandLine, host: Mapping[str, Any], place: Place) -> NotLed | None:
        """Say why its network is not this machine's; None: it is. `host` is podman's word."""
        if line.program == "docker":
            return buildkit.elsewhere(self.machine, line, place)
        if not host or host.get("serviceIsRemote"):
            return NotLed("its containers are on another machine, or in a virtual one")
        return None

    def _own_names(self, line: CommandLine, image: str) -> frozenset[str]:
        """Return which variables the image sets, as far as it is here already."""
        asked = ("image", "inspect", "--format", "{{json .Config.Env}}", image)
        told = read_json_or_none(self._said(line, *asked).encode()) if image else None
        return frozenset(str(each).partition("=")[0] for each in told or ())

    def _said(self, line: CommandLine, *words: str) -> str:
        return self.machine.said(*line.own, *words, limit=_LIMIT)


#: Options of ``run`` without a value, of docker 28 and podman 5.
_ALONE = frozenset(
    """
    --detach -d --disable-content-trust --env-host --help --http-proxy --init --interactive -i
    --no-healthcheck --no-hostname --no-hosts --oom-kill-disable --passwd --privileged
    --publish-all -P --quiet -q --read-only --read-only-tmpfs --replace --rm --rmi --rootfs
    --sig-proxy --tls-verify --tty -t --unsetenv-all --use-api-socket
    """.split()  # noqa: SIM905 - one that can be read
)


def _parts(rest: Sequence[str]) -> tuple[Sequence[str], str]:
    """Return the options, and the image behind them."""
    at = 0
    while at < len(rest) and rest[at].startswith("-"):
        word = rest[at]
        clustered = not word.startswith("--") and set(word[1:]) <= set("ditPq")
        at += 1 if "=" in word or word in _ALONE or clustered else 2
    return rest[:at], rest[at] if at < len(rest) else ""


def _why_not(options: Sequence[str], network: str) -> NotLed | None:
    if any(_is_detached(word) for word in options):
        return NotLed("it goes on when this command has ended")
    if any(f"{name}=" in word for word in options for name in _PROXY):
        return NotLed("it has a proxy of its own")
    if network == "none" or network.partition(":")[0] == "container":
        return NotLed(f"its network is {network}")
    return None


def _is_detached(word: str) -> bool:
    short = word.startswith("-") and not word.startswith("--") and set(word[1:]) <= set("ditPq")
    return word in ("--detach", "--detach=true") or (short and _SHORT_DETACHED in word)


def _command(line: CommandLine, own: frozenset[str], lead: InsideLead) -> ContainerCommand:
    """Give it what leads it, but for what its image says itself."""
    if own & {*_PROXY}:
        return ContainerCommand((*line.said(),))
    values = dict.fromkeys(_PROXY, lead.proxy)
    values |= {name: f"{_FOLDER}/authorities.pem" for name in _USUAL if name not in own}
    values["NODE_EXTRA_CA_CERTS"] = f"{_FOLDER}/authority.pem"
    if lead.excepted:
        values |= dict.fromkeys(("NO_PROXY", "no_proxy"), lead.excepted)
    file = lead.scratch / "variables"
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    mounts = [
        f"--volume={source}:{_FOLDER}/{name}.pem:ro,z"
        for name, source in (("authorities", lead.authorities), ("authority", lead.certificate))
    ]
    return ContainerCommand(line.said(f"--env-file={file}", *mounts), files={file: text.encode()})
