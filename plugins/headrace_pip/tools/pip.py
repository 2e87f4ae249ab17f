"""How pip is pointed at the gateway: one marked block in its configuration file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from headrace.interface import (
    ConfigurationError,
    DiscoveredOrigin,
    FileEdit,
    GatewayAddress,
    Origin,
    Override,
    Place,
    Reader,
    Standing,
)
from headrace.interface.editing import loopback
from headrace_pip.tools import origins, pip_config, pip_text
from headrace_pip.tools.gateway_url import leads_to
from headrace_pip.tools.ini_lines import strip_blocks
from headrace_pip.tools.lockers import is_locker, reaches_nested_ones
from headrace_pip.tools.origins import configured

__all__ = ["PipActivation"]


class PipActivation:
    """Implements `headrace.interface.Activation` for pip, and for all that runs pip."""

    tool = "pip"

    def discover(self, place: Place, read: Reader) -> Sequence[DiscoveredOrigin]:
        """Return the index that plain ``pip install`` uses."""
        return origins.discover(place, read)

    def enable(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
    ) -> Sequence[FileEdit]:
        """Describe the one edit; ConfigurationError where a proxy would defeat it."""
        _refuse_proxy(place, read)
        mine, url = _own(place, gateway, origins, read)
        if url is None:
            return ()
        path = pip_config.file_to_edit(place)
        before = read(path)
        lock = _lock_url(place, mine, read)
        after = pip_text.routed(before or b"", url, lock, path)
        return [
            FileEdit(
                path,
                before,
                after,
                "pip asks the gateway; pip lock asks the origin",
                private=gateway.token is not None,
            )
        ]

    def standing(self, place: Place, gateway: GatewayAddress | None, read: Reader) -> Standing:
        """Read pip's files, the machine's first, as pip would without a virtual environment."""
        if gateway is None:
            return Standing.NOT_ROUTED
        for file in reversed(pip_config.config_files(_files_alone(place))):
            content = read(file.path)
            if content is not None and (url := pip_text.routed_url(content, file.path)):
                return Standing.ROUTED if leads_to(url, gateway) else Standing.NOT_ROUTED
        return Standing.NOT_ROUTED

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Find what makes pip go past the gateway from here."""
        from headrace_pip.tools import pip_overrides  # noqa: PLC0415 - only status and doctor ask

        return pip_overrides.of_pip(place, gateway, read)

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """Take our values out of a file that ``pip config set`` rewrote."""
        if before is None and after == now:
            return strip_blocks(now)
        try:
            return pip_text.unrouted(before or b"", after, now, path)
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
        """Point one command's pip at the gateway with a configuration file of its own.

        A file named by PIP_CONFIG_FILE replaces the user's and beats the virtual environment's;
        a variable would beat ``[lock]`` and so put the gateway into lock files.
        """
        env = place.environment
        if setting := pip_config.proxy(place, read):
            raise _proxy_error(setting.where)
        mine, url = _own(place, gateway, origins, read)
        # What such a program asks is what it writes down: the user's own index, also after `on`.
        own = configured(place, read)
        past = _scratch_file(place, own.value if own else f"{mine.url}/", mine, read)
        edits = [_for_this_command(scratch / "pip-for-lockers.conf", past)]
        if is_locker(place.command):
            return {"PIP_CONFIG_FILE": str(edits[0].path)}, edits
        if url is None:
            return {}, ()
        through = _scratch_file(place, url, mine, read)
        edits.append(_for_this_command(scratch / "pip.conf", through))
        variables: dict[str, str | None] = {
            "PIP_CONFIG_FILE": str(edits[1].path),
            **reaches_nested_ones(place),
            **loopback.no_proxy_additions(env),
        }
        # The index of the environment has become the origin; left there it would win over us.
        variables |= {name: None for name in ("PIP_INDEX_URL", "PIP_PYPI_URL") if name in env}
        return variables, edits

    def in_containers(
        self, gateway: GatewayAddress, origins: Sequence[Origin]
    ) -> Mapping[PurePosixPath, bytes]:
        """Describe the machine's file of pip's, as a container has it. A variable would beat
        ``[lock]``, and stand in what the engine tells of the container.
        """
        return _in_containers(gateway, origins)


def _for_this_command(path: Path, content: bytes) -> FileEdit:
    return FileEdit(path, None, content, "for this command alone", private=True)


def _in_containers(
    gateway: GatewayAddress, known: Sequence[Origin]
) -> Mapping[PurePosixPath, bytes]:
    mine = next((o for o in known if (o.ecosystem, o.name) == ("python", "default")), None)
    path = origins.path_of(mine.url, known) if mine is not None else None
    if mine is None or path is None:
        return {}
    values = {
        "global": {"index-url": gateway.url(path), "trusted-host": gateway.host},
        "lock": {"index-url": f"{mine.url}/"},
    }
    return {PurePosixPath("/etc/pip.conf"): pip_config.render(values)}


def _own(
    place: Place, gateway: GatewayAddress, known: Sequence[Origin], read: Reader
) -> tuple[Origin, str | None]:
    """Return pip's index, and the gateway's URL for it; None: the gateway does not front it."""
    mine = origins.discover(place, read)[0].origin
    path = origins.path_of(mine.url, known)
    return mine, None if path is None else gateway.url(f"{gateway.base}{path}")


def _scratch_file(place: Place, url: str, mine: Origin, read: Reader) -> bytes:
    """Return what stands in for the files that PIP_CONFIG_FILE makes pip skip, with an index."""
    merged: dict[str, dict[str, str]] = {}
    commands = set()
    for file in pip_config.config_files(place):
        for section, values in pip_config.parse(
            strip_blocks(read(file.path) or b""), file.path
        ).items():
            if section != "lock" and any(name in values for name in pip_config.INDEX_URL):
                commands.add(section)
            if file.level in ("user", "env"):
                merged.setdefault(section, {}).update(values)
    # A command's section beats [global] of every level, so ours must stand in each that has one.
    for section in commands | {"global"}:
        merged.setdefault(section, {}).pop("pypi-url", None)
        merged[section]["index-url"] = url
    lock = _lock_url(place, mine, read)
    if lock is not None:
        merged.setdefault("lock", {}).setdefault("index-url", lock)
    return pip_config.render(merged)


def _files_alone(place: Place) -> Place:
    gone = ("VIRTUAL_ENV", "CONDA_PREFIX", "PIP_CONFIG_FILE")
    kept = {key: value for key, value in place.environment.items() if key not in gone}
    return replace(place, environment=kept, command=())


def _lock_url(place: Place, mine: Origin, read: Reader) -> str | None:
    """The origin's URL for ``[lock]``; None where a virtual environment's own index applies.

    A command's section beats ``[global]`` of every level, so ours would overrule that index.
    """
    if not place.command and pip_config.effective(_site_alone(place), read, pip_config.INDEX_URL):
        return None
    configured = origins.configured(place, read)
    if configured and mine.private:
        return configured.value
    return mine.url + "/"


def _site_alone(place: Place) -> Place:
    """The place with nothing but the virtual environment's level."""
    env = place.environment
    kept = {key: env[key] for key in ("VIRTUAL_ENV", "CONDA_PREFIX") if key in env}
    kept["XDG_CONFIG_DIRS"] = kept["XDG_CONFIG_HOME"] = "/nonexistent"
    return replace(place, home=Path("/nonexistent"), environment=kept)


def _refuse_proxy(place: Place, read: Reader) -> None:
    """Refuse where a proxy would get the requests for the gateway: nothing would install."""
    loopback.refuse_proxy(place.environment, "pip")
    if setting := pip_config.proxy(_files_alone(place), read):
        raise _proxy_error(setting.where)


def _proxy_error(where: str) -> ConfigurationError:
    return ConfigurationError(
        "proxy-takes-loopback",
        f"pip's proxy setting ({where}) knows no exceptions: pip would ask the proxy for the "
        "gateway",
        hint="set HTTPS_PROXY, and NO_PROXY=127.0.0.1, instead of it; then run this again",
    )
