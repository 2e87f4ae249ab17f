"""``docker build`` with BuildKit: the Dockerfile on disk stays, the one that is sent has secrets.

Each RUN gets the proxy and a file of authorities as secret mounts, the file below ``/dev``, which
is in memory. BuildKit keeps secrets out of images, histories and caches. What it keeps in its cache
is by the text of a step, so a led build has a cache of its own: another led build finds it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from headrace.interface import (
    ContainerCommand,
    InsideLead,
    LedInside,
    LocalError,
    NotLed,
    Place,
)
from headrace.interface.editing import presence
from headrace_docker.builds import dockerfile
from headrace_docker.builds import words as command_lines
from headrace_docker.builds.networks import led_on
from headrace_docker.builds.words import CommandLine
from headrace_docker.engines.running import Machine

__all__ = ["VALUES", "DockerBuilds", "elsewhere", "secrets_of", "sent_in_place_of", "why_not"]

_BUILDS = (
    ("build",),
    ("buildx", "build"),
    ("buildx", "b"),
    ("image", "build"),
    ("builder", "build"),
)
#: docker's own options with a value behind them; and those of a build that have none.
VALUES = frozenset(
    [
        "--builder",
        "--config",
        "--context",
        "--host",
        "--log-level",
        "--tlscacert",
        "--tlscert",
        "--tlskey",
        "-H",
        "-c",
        "-l",
    ]
)
_ALONE = frozenset(
    """
    --check --compress --debug -D --disable-content-trust --force-rm --load --no-cache --pull
    --push --quiet -q --rm --squash
    """.split()  # noqa: SIM905 - one that can be read
)
#: The engine whose BuildKit knows secrets as variables (Dockerfile 1.10). Of BuildKit itself
#: distributions tell no version.
_FIRST = 28
_DRIVER = re.compile(r"^Driver:\s*(\S+)", re.MULTILINE)
_VERSION = re.compile(r"(\d+)\.")
#: Seconds for an answer of the engine's.
_LIMIT = 20.0
_FOLDER = "/dev/headrace"
_PROXY = ("HTTPS_PROXY", "https_proxy")
_USUAL = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CLASSIC = NotLed(
    "the classic builder has no secrets: whatever leads its steps would stay in the image",
    "install docker's buildx (docker-buildx-plugin, docker-buildx), and unset DOCKER_BUILDKIT=0",
    refused=True,
)


@dataclass(frozen=True)
class DockerBuilds:
    """Implements `headrace.interface.LeadsContainers`."""

    machine: Machine

    def inside(self, words: Sequence[str], place: Place) -> LedInside | NotLed | None:
        """Say how the steps of a build are led."""
        line = command_lines.read(words, ("docker",), VALUES, _BUILDS)
        if line is None:
            return None
        network = command_lines.option(line.rest, "--network") or "default"
        source = _source(line, place)
        if network == "none":
            return NotLed("its steps have no network")
        if (why := why_not(self.machine, line, place)) is not None:
            return why
        if source is None:
            return NotLed("its Dockerfile is no file of this machine's")
        command = partial(_command, line, source)
        if network == "host":
            return LedInside(command)
        told = self._said(line, "network", "inspect", "bridge")
        return led_on("bridge", told, command, there=True)

    def _said(self, line: CommandLine, *words: str) -> str:
        return self.machine.said(*line.own, *words, limit=_LIMIT)


def why_not(machine: Machine, line: CommandLine, place: Place) -> NotLed | None:
    """Say why the builder of a command cannot be led; None: it can."""
    classic = place.environment.get("DOCKER_BUILDKIT") == "0" and "buildx" not in line.subcommand
    if classic or not machine.said(*line.own, "buildx", "version", limit=_LIMIT):
        return _CLASSIC
    if (why := elsewhere(machine, line, place)) is not None:
        return why
    name = command_lines.option((*line.own, *line.rest), "--builder")
    asked = (*line.own, "buildx", "inspect", *([name] if name else []))
    told = machine.said(*asked, limit=_LIMIT)
    driver = _DRIVER.search(told)
    if driver is None or driver[1] != "docker":
        what = f"driver {driver[1]}" if driver else "a driver that it does not tell"
        return NotLed(f"its builder has {what}, whose network is not the engine's")
    engine = (*line.own, "version", "--format", "{{.Server.Version}}")
    version = _VERSION.match(machine.said(*engine, limit=_LIMIT))
    if version is None or int(version[1]) < _FIRST:
        return NotLed(
            "this engine's BuildKit knows no secrets as variables",
            "Docker Engine 28 and newer do",
            refused=True,
        )
    return None


def elsewhere(machine: Machine, line: CommandLine, place: Place) -> NotLed | None:
    """Say why the engine's network is not this machine's; None: it is, as far as it tells."""
    host = command_lines.option(line.own, "-H", "--host") or place.environment.get("DOCKER_HOST")
    asked = (*line.own, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}")
    if not (host or machine.said(*asked, limit=_LIMIT)).startswith("unix://"):
        return NotLed("its containers are on another machine, or in a virtual one")
    security = (*line.own, "info", "--format", "{{json .SecurityOptions}}")
    if "rootless" in machine.said(*security, limit=_LIMIT):
        return NotLed("a rootless engine's bridge is not this machine's")
    return None


def _source(line: CommandLine, place: Place) -> Path | None:
    """Return the Dockerfile; None: it comes from elsewhere."""
    named = command_lines.option(line.rest, "-f", "--file")
    context = next(_places(line.rest), None)
    if named == "-" or context in (None, "-") or "://" in context or context.startswith("git@"):
        return None
    path = place.working_directory / (named or Path(context) / "Dockerfile")
    return path if presence.is_there(path) else None


def _places(words: Sequence[str]) -> Iterator[str]:
    """Give the words that are no option and no option's value."""
    before = ""
    for word in words:
        is_value = before.startswith("-") and "=" not in before and before not in _ALONE
        if not is_value and (word == "-" or not word.startswith("-")):
            yield word
        before = "" if is_value else word


def _without_file(words: Sequence[str]) -> tuple[str, ...]:
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in ("-f", "--file"):
            skip = True
        elif not word.startswith(("-f=", "--file=")):
            kept.append(word)
    return tuple(kept)


def _command(line: CommandLine, source: Path, lead: InsideLead) -> ContainerCommand:
    """Send a Dockerfile whose steps are led."""
    secrets, files = secrets_of(lead)
    sent = lead.scratch / "Dockerfile"
    files |= sent_in_place_of(source, sent, secrets, lead)
    flags = [f"--secret=id={name},src={path}" for name, path in secrets.items()]
    flags += [f"--file={sent}"]
    return ContainerCommand(
        (*line.own, *line.subcommand, *flags, *_without_file(line.rest)), files=files
    )


def secrets_of(lead: InsideLead) -> tuple[dict[str, Path], dict[Path, bytes]]:
    """Return the secrets by their names, and the files that are to be written for them."""
    values = dict.fromkeys(_PROXY, lead.proxy)
    values |= dict.fromkeys(_USUAL, f"{_FOLDER}/authorities.pem")
    values["NODE_EXTRA_CA_CERTS"] = f"{_FOLDER}/authority.pem"
    if lead.excepted:
        values |= dict.fromkeys(("NO_PROXY", "no_proxy"), lead.excepted)
    own = lead.scratch / "secrets"
    secrets = {f"headrace-{name}": own / name for name in values}
    secrets |= {f"headrace-{file}": path for file, path in _pem_files(lead).items()}
    return secrets, {own / name: value.encode() for name, value in values.items()}


def _pem_files(lead: InsideLead) -> dict[str, Path]:
    return {"authorities.pem": lead.authorities, "authority.pem": lead.certificate}


def sent_in_place_of(
    source: Path, sent: Path, secrets: Collection[str], lead: InsideLead
) -> dict[Path, bytes]:
    """Return the Dockerfile that is sent, and what lies beside it; LocalError."""
    mounts = [_mount(name) for name in secrets]
    told = (*lead.variables, *_PROXY)
    try:
        text, found, left = dockerfile.led(
            source.read_bytes().decode("utf-8"), " ".join(mounts), told
        )
    except (OSError, UnicodeDecodeError, dockerfile.Refused) as error:
        raise LocalError("not-led", f"{source}: {error}") from error
    if not found:
        why = "says itself whom it trusts" if left else "has no RUN"
        raise LocalError("not-led", f"{source} {why}")
    files = {sent: text.encode()}
    ignored = source.with_name(f"{source.name}.dockerignore")
    if presence.is_there(ignored):
        files[sent.with_name(f"{sent.name}.dockerignore")] = ignored.read_bytes()
    return files


def _mount(secret: str) -> str:
    """Return the flag that gives a step a secret: a file, or a variable."""
    name = secret.removeprefix("headrace-")
    where = f"target={_FOLDER}/{name},mode=0444" if name.endswith(".pem") else f"env={name}"
    return f"--mount=type=secret,id={secret},{where}"
