"""How podman, skopeo, buildah and CRI-O are pointed at the gateway: one drop-in that they share.

They find the mirror by its path, ``127.0.0.1:PORT/ghcr.io/…``, because they send no ``ns=``. Short
names and the search for them stay as they are. CRI-O reads the drop-in again when told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from headrace.interface import (
    ConfigurationError,
    FileEdit,
    GatewayAddress,
    Origin,
    Override,
    Place,
    Reader,
    Reload,
    Scope,
)
from headrace_docker.config_files import registries_conf
from headrace_docker.config_files.registries_conf import Table
from headrace_docker.engines.base import EngineActivation, base_url, config_home
from headrace_docker.registry_api import registries
from headrace_docker.registry_api.registries import HUB, known_registries

__all__ = ["ContainersActivation"]

PROGRAMS = ("podman", "skopeo", "buildah", "crio")
#: The last of the folder in most cases: a later table replaces an earlier one.
NAME = "zz-headrace.conf"
#: Names the main file; podman and buildah obey it.
_VARIABLE = "CONTAINERS_REGISTRIES_CONF"
_REASON = "podman, skopeo, buildah and CRI-O ask the gateway first for public registries"


class ContainersActivation(EngineActivation):
    """Implements `headrace.interface.Activation` for what reads registries.conf."""

    tool = "podman"

    def present(self, place: Place, read: Reader) -> bool:
        """Whether one of the programs is here, and runs here and not in a virtual machine."""
        del read
        return place.platform == "linux" and any(
            self.machine.program(place, name) for name in PROGRAMS
        )

    def file(self, place: Place) -> Path:
        """Return the drop-in of the scope."""
        if place.scope is Scope.SYSTEM:
            return self.machine.path(f"/etc/containers/registries.conf.d/{NAME}")
        return config_home(place) / "containers" / "registries.conf.d" / NAME

    def files(self, place: Place, read: Reader) -> Iterator[tuple[Path, bytes]]:
        """Give what is read, in its order: one main file, the machine's drop-ins, the user's."""
        system = self.machine.path("/etc/containers")
        home = config_home(place) / "containers"
        mains = [system / "registries.conf"]
        folders = [system / "registries.conf.d"]
        if place.scope is Scope.USER:
            mains.insert(0, home / "registries.conf")
            folders.append(home / "registries.conf.d")
        if named := place.environment.get(_VARIABLE):
            mains.insert(0, Path(named))
        for path in mains:
            if (content := read(path)) is not None:
                yield path, content
                break
        for folder in folders:
            for path in _drop_ins(folder):
                if (content := read(path)) is not None:
                    yield path, content

    def _theirs(self, place: Place, read: Reader) -> dict[str, Table]:
        files = self.files(place, read)
        return registries_conf.tables(
            (path, content) for path, content in files if not registries_conf.is_ours(content)
        )

    def edits(
        self, place: Place, url: str, names: Sequence[str], read: Reader
    ) -> Sequence[FileEdit]:
        """Describe the one drop-in."""
        path = self.file(place)
        before = read(path)
        if before is not None and not registries_conf.is_ours(before):
            raise ConfigurationError(
                "not-ours",
                f"{path} is somebody else's file",
                hint="give it another name, then `headrace on` again",
            )
        theirs = self._theirs(place, read)
        mine = registries_conf.ours(names, theirs)
        if not mine:
            return ()
        after = registries_conf.render(mine, url, theirs, path)
        crio = Reload("crio") if place.scope is Scope.SYSTEM else None
        return [FileEdit(path, before, after, _REASON, reload=crio)]

    def routed(self, place: Place, url: str, read: Reader) -> bool:
        """Look at what counts for docker.io in the end."""
        counts = registries_conf.tables(self.files(place, read))
        return registries_conf.leads_to(counts, HUB, url)

    def told(self, place: Place, url: str, read: Reader) -> Sequence[Override]:
        """Say which tables of the user decide before ours, or have changed since."""
        return list(self._told(place, url, read))

    def _told(self, place: Place, url: str, read: Reader) -> Iterator[Override]:
        theirs = self._theirs(place, read)
        counts = registries_conf.tables(self.files(place, read))
        written = read(self.file(place))
        for registry in known_registries():
            name = registry.name
            table = registries_conf.decides(theirs, name)
            if table and (why := registries_conf.why_not(table, name)):
                hint = "as you wish; it is left alone"
                yield Override(self.tool, str(table.path), why, hint, wins=False)
            elif written is not None and not registries_conf.leads_to(counts, name, url):
                counting = registries_conf.decides(counts, name)
                where = counting.path if counting else self.file(place)
                what = f"has a table for {name} that counts instead of the gateway's"
                hint = "`headrace on` again takes it up; a file that sorts after ours wins"
                yield Override(self.tool, str(where), what, hint)
            for each in registries_conf.narrower(theirs, name):
                what = f"decides for {each.prefix}"
                hint = "as you wish; the rest of the registry goes through the gateway"
                yield Override(self.tool, str(each.path), what, hint, wins=False)
        if named := place.environment.get(_VARIABLE):
            what = f"makes {named} the main file"
            hint = "podman and buildah obey it; the drop-in counts all the same"
            yield Override(self.tool, _VARIABLE, what, hint, wins=False)

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """The file is ours as a whole; one that somebody wrote in stays."""
        del path, before
        return b"" if now == after and registries_conf.is_ours(now) else None

    def environment(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
        scratch: Path,
    ) -> tuple[Mapping[str, str | None], Sequence[FileEdit]]:
        """Give podman and buildah another main file for this command alone.

        Drop-ins are read after it, so what they say of a registry goes on counting. skopeo knows
        no such variable.
        """
        names = [registry.name for registry in registries.fronted(origins)]
        if not names or not self.present(place, read):
            return {}, ()
        files = list(self.files(place, read))
        main = files[:1] if files and files[0][0].name == "registries.conf" else []
        if named := place.environment.get(_VARIABLE):
            main = [each for each in files[:1] if each[0] == Path(named)]
        # Drop-ins too: a name of ours would go before a pattern of theirs that blocks it.
        mine = registries_conf.ours(names, registries_conf.tables(main))
        mine = registries_conf.ours(mine, self._theirs(place, read))
        path = scratch / "containers" / "registries.conf"
        content = registries_conf.whole(main, mine, base_url(gateway), path)
        return {_VARIABLE: str(path)}, [FileEdit(path, None, content, _REASON)]


def _drop_ins(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(".conf"))
    except OSError:
        return []
