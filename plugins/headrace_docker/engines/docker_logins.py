"""How ``docker-credential-headrace`` comes before the credential helper that docker has.

docker asks its helper before every pull, so the gateway is awake when the engine asks. Only where
the settings name it (``also = ["docker-logins"]``): docker waits for a helper, and a broken one
takes a user's logins away. Logins that stand in config.json itself need none, and are left there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace.interface import (
    ConfigurationError,
    DiscoveredOrigin,
    FileEdit,
    GatewayAddress,
    Origin,
    Override,
    Place,
    Reader,
    Scope,
    Standing,
)
from headrace_docker.config_files import docker_config
from headrace_docker.config_files.docker_config import OURS, RECORD, STORE
from headrace_docker.credentials.missing import TOOL
from headrace_docker.engines.running import Machine

__all__ = ["LoginsActivation"]

_PROGRAM = f"docker-credential-{OURS}"


class LoginsActivation:
    """Implements `headrace.interface.Activation` for docker's config.json of one user."""

    tool = TOOL
    opt_in = True

    def __init__(self, machine: Machine | None = None) -> None:
        """`machine` None: this one."""
        self.machine = machine or Machine()

    def discover(self, place: Place, read: Reader) -> Sequence[DiscoveredOrigin]:
        """Nothing: engines say which registries there are."""
        del place, read
        return ()

    def enable(
        self, place: Place, gateway: GatewayAddress, origins: Sequence[Origin], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the edits; ConfigurationError where docker would not find our program."""
        del origins
        path = _config(place)
        before = read(path)
        helper = docker_config.parse(before, path).get(STORE)
        if place.scope is not Scope.USER or before is None or not _is_word(helper):
            return ()
        if helper == OURS:  # by hand, or from a record that was lost: nobody knows who came before
            return ()
        if self.machine.program(place, _PROGRAM) is None:
            raise ConfigurationError(
                "helper-not-found",
                f"docker would not find {_PROGRAM}: its folder is not on your PATH",
                hint=f"link it into a folder of your PATH; {path} was not changed",
            )
        record = f"{helper} {gateway.port}\n"
        beside = path.with_name(RECORD)
        return [
            # First, so that our program never stands there without knowing whom to pass on to.
            FileEdit(beside, read(beside), record.encode(), f"who came before {_PROGRAM}"),
            FileEdit(
                path,
                before,
                docker_config.lead(before, OURS, path),
                f"docker's pulls wake the gateway; {_PROGRAM} passes on to {helper}",
                private=True,
            ),
        ]

    def standing(self, place: Place, gateway: GatewayAddress | None, read: Reader) -> Standing:
        """Look at the user's file."""
        content = read(_config(place))
        if content is None:
            return Standing.NOT_FOUND
        leads = docker_config.parse(content, _config(place)).get(STORE) == OURS
        return Standing.ROUTED if leads and gateway is not None else Standing.NOT_ROUTED

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Say where there is nothing to come before, and what goes past us."""
        del gateway
        path = _config(place)
        content = read(path)
        table = docker_config.parse(content, path)
        if content is not None and not table.get(STORE):
            what = "names no credential helper to come before"
            hint = "nothing to do: the gateway reads the logins in it"
            return [Override(self.tool, str(path), what, hint, wins=False)]
        if variable := place.environment.get("DOCKER_AUTH_CONFIG"):
            del variable
            what = "has the logins: docker asks no helper"
            hint = "nothing to do: only the gateway is not woken"
            return [Override(self.tool, "DOCKER_AUTH_CONFIG", what, hint, wins=False)]
        return []

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """Name the helper from before in a file that docker wrote anew."""
        del after
        if path.name == RECORD:
            return b""
        try:
            if docker_config.parse(now, path).get(STORE) != OURS:
                return now
            helper = docker_config.parse(before, path).get(STORE)
            return docker_config.lead(now, helper, path) if isinstance(helper, str) else None
        except ConfigurationError:
            return None

    def environment(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
        scratch: Path,
    ) -> tuple[Mapping[str, str | None], Sequence[FileEdit]]:
        """Nothing: a run has its gateway awake."""
        del place, gateway, origins, read, scratch
        return {}, ()


def _config(place: Place) -> Path:
    return Path(place.environment.get("DOCKER_CONFIG") or place.home / ".docker") / "config.json"


def _is_word(helper: object) -> bool:
    return isinstance(helper, str) and helper.isprintable() and len(helper.split()) == 1
