"""How a tool is pointed at the gateway: what activations are told, and what they describe.

Descriptions only: files in, edits out. Dry run, diff, backup and undo are written once.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from headrace.models import Credential, Origin
from headrace.values import dataclass

__all__ = [
    "CATALOGUE",
    "Activation",
    "DiscoveredOrigin",
    "FileEdit",
    "GatewayAddress",
    "LeadsNodes",
    "Lingers",
    "OptIn",
    "Override",
    "Place",
    "Reader",
    "Reload",
    "ReloadCheck",
    "Scope",
    "Standing",
]


class Scope(enum.StrEnum):
    """Whose configuration is written."""

    USER = "user"
    SYSTEM = "system"


class Standing(enum.StrEnum):
    """How a tool stands to the gateway, before anything overrides its files."""

    ROUTED = "routed"
    NOT_ROUTED = "not routed"
    NOT_FOUND = "not found"
    """The tool is not on this machine."""


@dataclass(frozen=True, slots=True)
class Place:
    """The machine and user that an activation describes edits for. All facts, no look-ups."""

    scope: Scope
    home: Path
    environment: Mapping[str, str]
    platform: str
    """``linux``, ``darwin`` or ``win32``, as `sys.platform`."""
    working_directory: Path
    command: tuple[str, ...] = ()
    """For ``headrace run``: the command that is about to start; else empty."""


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """Where clients reach the gateway."""

    host: str
    port: int
    token: str | None = field(default=None, repr=False)
    """Needed in URLs where the gateway fronts an origin that has the user's credential."""
    base: str = ""
    """What comes before the path of pages that list builds (`ListsBuilds`), where the environment
    of ``headrace run`` says for which host. Files have the same path for all hosts."""
    scheme: str = "http"
    """``https`` for a gateway that other machines reach."""

    def url(self, path: str = "/") -> str:
        """Return the URL of a path, with the token as ``headrace:TOKEN@`` where there is one."""
        user = f"headrace:{self.token}@" if self.token else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{user}{host}:{self.port}{path}"


@dataclass(frozen=True, slots=True)
class ReloadCheck:
    """What a running program says of itself, over HTTP on a socket of its own, once it has taken
    our setting. `value` is looked for in the list (or string) that `keys` lead to in the JSON
    document at `path`; a final slash does not matter.
    """

    socket: str
    """Path of a Unix socket."""
    path: str
    keys: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Reload:
    """A running program that must be told when a file was edited, and when that is undone.

    Where it does not run, nothing is to be done: it reads the file when it starts. Example:
    ``Reload("named", pid_file="/run/named.pid")``.
    """

    program: str
    """The name that its process must have, so that an old PID file does no harm."""
    pid_file: str | None = None
    """None: every process of that name that shares our view of the file system."""
    signal: str = "HUP"
    check: ReloadCheck | None = None
    """How to see that the setting was taken. When it was not, the edits of the tool are undone."""

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Reload:
        """Read back what `dataclasses.asdict` gave."""
        check = table["check"]
        if check is not None:
            keys = tuple(str(key) for key in check["keys"])
            check = ReloadCheck(str(check["socket"]), str(check["path"]), keys, str(check["value"]))
        return cls(str(table["program"]), table["pid_file"], str(table["signal"]), check)


@dataclass(frozen=True, slots=True)
class FileEdit:
    """One file, before and after. None means: no such file."""

    path: Path
    before: bytes | None
    after: bytes | None
    reason: str
    private: bool = False
    """Write with mode 0600, because the content holds a token."""
    reload: Reload | None = None
    """Who must be told about the change."""


@dataclass(frozen=True, slots=True)
class Override:
    """Something that wins over what we wrote, so that this tool goes past the gateway."""

    tool: str
    where: str
    """A path with line, or an environment variable."""
    what: str
    hint: str
    wins: bool = True
    """False: it stands beside our setting, and only some requests go past the gateway."""


#: `DiscoveredOrigin.where` of an origin that no tool names today and that everybody may name.
CATALOGUE = "the catalogue"


@dataclass(frozen=True, slots=True)
class DiscoveredOrigin:
    """An origin as a tool's configuration names it today."""

    origin: Origin
    where: str
    """A path, an environment variable, or ``pip's own default``."""
    credential: Credential | None = None
    """From the URL itself; netrc and keyring are asked when the origin is used."""
    surroundings: Mapping[str, str] = field(default_factory=dict)
    """What the tool's own files say of the way there (its proxy), as variables we obey."""
    fronted: bool = True
    """False: the tool goes there by itself, past the gateway, unless the settings call the origin
    public."""
    authorities: str = ""
    """The PEM file, or folder of certificates, that the tool's own settings have it trust: so does
    the gateway, for this origin. "": what the environment says."""
    authorities_alone: bool = True
    """The tool then trusts nothing else; False: these beside what is usual."""


#: Gives a file's bytes, or None where there is none; ConfigurationError when it cannot be read.
Reader = Callable[[Path], bytes | None]


@runtime_checkable
class Activation(Protocol):
    """How one tool is pointed at the gateway. Descriptions only: dry run, diff, backup and undo
    are written once, in the core.
    """

    @property
    def tool(self) -> str:
        """Name of the tool: ``pip``."""

    def discover(self, place: Place, read: Reader) -> Sequence[DiscoveredOrigin]:
        """Say which origins the tool uses now, without what we wrote. May run the tool to ask."""

    def enable(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
    ) -> Sequence[FileEdit]:
        """Describe the edits; ConfigurationError when a file cannot be understood."""

    def standing(self, place: Place, gateway: GatewayAddress | None, read: Reader) -> Standing:
        """Say whether the tool's own files lead to the gateway as they are now. ``headrace status``
        asks this, and `overrides`, in a thread, while it asks other tools.
        """

    def overrides(self, place: Place, gateway: GatewayAddress, read: Reader) -> Sequence[Override]:
        """Find what wins over our edits from where the user stands."""

    def withdraw(self, path: Path, before: bytes | None, after: bytes, now: bytes) -> bytes | None:
        """Take the edit `before` -> `after` out of a file that the tool rewrote since; None when
        that is uncertain. `after` equal to `now`: no record is left, take out what we marked.
        """

    def environment(
        self,
        place: Place,
        gateway: GatewayAddress,
        origins: Sequence[Origin],
        read: Reader,
        scratch: Path,
    ) -> tuple[Mapping[str, str | None], Sequence[FileEdit]]:
        """For ``headrace run``: variables to set (None: to unset) and files to write below
        `scratch`, a private folder that is removed afterwards.
        """


@runtime_checkable
class OptIn(Protocol):
    """An `Activation` that is left out unless the settings name its tool (`also`)."""

    @property
    def opt_in(self) -> bool:
        """True."""


@runtime_checkable
class LeadsNodes(Protocol):
    """An `Activation` whose files can be written from within a container, for the node that it runs
    on: by ``headrace node-agent``.
    """

    def for_node(self, root: Path, authorities: bytes | None) -> Activation:
        """Return the same for a machine whose files lie below `root` and whose programs cannot be
        asked. `authorities`: PEM of the authorities that vouch for the gateway, where they are not
        among the node's own; whatever of it is needed is among the edits.
        """


@runtime_checkable
class Lingers(Protocol):
    """An `Activation` whose program takes a setting that is left out for "as it was", so that a
    restored file alone does not make it drop ours.
    """

    def leaving(self, path: Path, restored: bytes | None) -> bytes | None:
        """Return what the file must hold for a moment, while the program is told, before it is as
        `restored` for good; None: nothing, the restored file says it.
        """
