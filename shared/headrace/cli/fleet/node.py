"""A node of a cluster, seen from a container on it: its engines are pointed at a fleet by the same
activations as this machine's are by `headrace on`, and recorded in a journal of the node's own.
"""

from __future__ import annotations

import http.client
import logging
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.cli.setup import planned_edits
from headrace.errors import ConfigurationError, HeadraceError
from headrace.interface.hookspecs import Activation, GatewayAddress, LeadsNodes, Place, Scope
from headrace.models import Origin
from headrace.system.edits import apply
from headrace.system.edits.file_step import read_file, target
from headrace.system.edits.journal import Journal
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.interface.manager import Plugins

__all__ = ["FleetStanding", "Node", "answers", "stand", "told_back"]

_log = logging.getLogger("headrace.node")

#: Failures in a row after which a fleet counts as away. An engine that is refused goes on to the
#: registry at once, but one whose packets are dropped waits for half a minute with each image.
AWAY_AFTER = 3
#: In place of a fleet, where only the files matter.
_ANY = GatewayAddress("headrace.invalid", 443, scheme="https")
#: Seconds for one answer.
_LIMIT = 5.0


@dataclass(frozen=True, slots=True)
class _Tools:
    """The activations of the node, in the place of all plugins."""

    found: Sequence[Activation]

    def activations(self) -> Sequence[Activation]:
        """Return them."""
        return self.found


class Node:
    """Implements `headrace.system.edits.apply.Editor`."""

    def __init__(
        self,
        plugins: Plugins,
        root: Path,
        state: Path,
        *,
        authorities: bytes | None = None,
        only: Sequence[str] = (),
    ) -> None:
        """`root`: where the node's files lie; `state`: where its journal does, on the node too;
        `only`: the tools that are led, empty: all that are there.
        """
        leading = [each for each in plugins.activations() if isinstance(each, LeadsNodes)]
        known = [each.tool for each in leading]
        if strange := [each for each in only if each not in known]:
            raise ConfigurationError(
                "unknown-engine",
                f"no engine of a node is called {strange[0]}",
                hint=f"there are {', '.join(known)}",
            )
        wanted = [each for each in leading if not only or each.tool in only]
        self.root = root
        self.plugins = _Tools([each.for_node(root, authorities) for each in wanted])
        self.journal = Journal(state / "journal.json", withdraw=self._withdraw)
        self._told: set[str] = set()

    def write(self, address: GatewayAddress) -> Sequence[str]:
        """Point the engines at a fleet, whatever stands there now; return the files that changed.

        Lines of ours that no journal knows (the node was made of a copy of another one's disk) are
        taken into it first, so that they are given back, too.
        """
        tools, place = self.plugins.activations(), self._place()
        self._adopt(address)
        found = self._described(address)
        for tool, error in found.left_out:
            self._tell(f"{tool} is left as it is: {error.message}; {error.hint}")
        # What is in force of a tool that cannot be described now stays as it is.
        left = {tool for tool, _ in found.left_out}
        result = apply.apply(self, found.edits, of=[t.tool for t in tools if t.tool not in left])
        for tool, error in result.refused:
            self._tell(f"{tool} is left as it is: {error.message}; {error.hint}")
        for activation in tools:
            try:
                for each in activation.overrides(place, address, read_file):
                    self._tell(f"{each.tool}: {each.where} {each.what}; {each.hint}")
            except HeadraceError as error:
                self._tell(f"{activation.tool}: {error.message}; {error.hint}")
        if not found.edits and not found.left_out:
            self._tell(f"no engine has a folder of configuration below {self.root}/etc")
        return [str(edit.path) for edit in result.changed]

    def give_back(self, address: GatewayAddress | None = None) -> apply.TakenBack:
        """Give every file back as it was, also what an agent that was killed had written."""
        self._adopt(address or _ANY)
        of = dict.fromkeys(entry.tool for entry in self.journal.entries())
        return apply.take_back(self, force=False, of=list(of))

    def _adopt(self, address: GatewayAddress) -> None:
        self.journal.repair()
        # Lines of ours are known by their mark, whichever fleet they name.
        edits = self._described(address).edits
        planned_edits.adopt(self.journal, self.plugins.activations(), edits)

    def _described(self, address: GatewayAddress) -> planned_edits.PlannedEdits:
        place = self._place()
        tools, origins = self.plugins.activations(), self._origins(place)
        return planned_edits.described(tools, place, address, origins, self._read)

    def _place(self) -> Place:
        return Place(Scope.SYSTEM, self.root / "root", {}, "linux", self.root)

    def _origins(self, place: Place) -> list[Origin]:
        found: dict[str, Origin] = {}
        for activation in self.plugins.activations():
            for each in activation.discover(place, read_file):
                found[each.origin.url] = each.origin
        return list(found.values())

    def _read(self, path: Path) -> bytes | None:
        """Read a file as it would be without us; never one that is not the node's."""
        if not target(path).is_relative_to(self.root.resolve()):
            raise ConfigurationError(
                "link-out-of-the-node",
                f"{path} leads out of {self.root}: there its name means another file",
                hint="put the file itself in the place of the link",
            )
        return self.journal.pristine(path)

    def _withdraw(
        self, tool: str, path: Path, before: bytes | None, after: bytes, now: bytes
    ) -> bytes | None:
        for activation in self.plugins.activations():
            if activation.tool == tool:
                return activation.withdraw(path, before, after, now)
        return None

    def _tell(self, what: str) -> None:
        """Say something once, not with each look."""
        if what not in self._told:
            self._told.add(what)
            _log.warning("%s", what)


@dataclass(slots=True)
class FleetStanding:
    """How the fleet stands, as seen from the node. Change it with `stand`."""

    misses: int = AWAY_AFTER
    """Failures in a row. One that was never seen is away: nothing leads to it before it answers."""
    written: bool = False


def stand(node: Node, standing: FleetStanding, address: GatewayAddress, *, up: bool) -> None:
    """Look after the node's files once, by whether the fleet answers now."""
    if up:
        changed = node.write(address)
        if changed:
            _log.info("%d files lead to %s: %s", len(changed), address.url(""), ", ".join(changed))
        standing.misses, standing.written = 0, True
        return
    standing.misses += 1
    if standing.misses < AWAY_AFTER or not (standing.written or node.journal.entries()):
        return
    told_back(node.give_back(address))
    standing.written = False
    _log.warning("%s does not answer: images come from their registries", address.url(""))


def told_back(undone: apply.TakenBack) -> bool:
    """Say what came of giving back; return whether everything is as it was."""
    if given := [*undone.restored, *undone.merged]:
        _log.info("%d files are as they were: %s", len(given), ", ".join(given))
    for path in undone.kept:
        _log.warning("%s: headrace's own lines were changed; left as it is", path)
    for tool, error in undone.failed:
        _log.warning("%s could not be undone: %s; %s", tool, error.message, error.hint)
    return not (undone.kept or undone.failed)


def answers(address: GatewayAddress, authorities: Path | None) -> Callable[[], bool]:
    """Return what asks whether a fleet is ready for new clients."""
    host, port = address.host, address.port
    context = ssl.create_default_context(cafile=str(authorities) if authorities else None)

    def ask() -> bool:
        # As engines do: no proxy that this process' environment names.
        connection: http.client.HTTPConnection
        if address.scheme == "https":
            connection = http.client.HTTPSConnection(host, port, timeout=_LIMIT, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=_LIMIT)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException) as error:
            _log.debug("no answer: %r", error)
            return False
        finally:
            connection.close()

    return ask
