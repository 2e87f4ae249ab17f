"""The plugin manager: guarded loading, and results drained plugin by plugin.

A plugin that cannot be imported, registers a hook that does not exist, or raises while it is asked
is named in the log and left out; it never stops headrace (promise 2). pluggy by itself guards
neither the loading of entry points nor the lazily raised errors of generators.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from headrace.interface import ecosystems, hookspecs
from headrace.interface import entry_points as installed
from headrace.interface.containers import ContainerNetwork, LeadsContainers
from headrace.interface.ecosystems import Ecosystem
from headrace.interface.leading import LedTool
from headrace.models import Mirror, Origin

if TYPE_CHECKING:
    from headrace.interface.hookspecs import (
        AcceleratorDetector,
        Activation,
        AskGateway,
        Explanation,
        Finding,
        ImageTool,
        Place,
    )
    from headrace.models import (
        Artifact,
        Credential,
        MirrorStats,
        SourceFailed,
        TransferFinished,
    )
    from headrace.variants.hosts import Accelerator, Host, Variant, VariantRequest

__all__ = ["Plugins", "PublicPlugins"]

_log = logging.getLogger("headrace.plugins")


class Plugins:
    """All plugins of this process, behind typed methods, one for each hook."""

    def __init__(self, extra: Iterable[object] = (), *, entry_points: bool = True) -> None:
        """Load the entry points of group ``headrace`` and register `extra` objects after them."""
        self._manager = pluggy.PluginManager("headrace")
        self._manager.add_hookspecs(hookspecs)
        self.broken: dict[str, str] = {}
        self.only_ours = True
        """Whether every plugin is one that headrace itself brings."""
        if entry_points:
            for entry in installed.of_group("headrace"):
                self.only_ours = self.only_ours and entry.distribution == "headrace"
                self._load(entry)
        for plugin in extra:
            self.only_ours = False
            self._register(plugin, None)

    def _load(self, entry: installed.EntryPoint) -> None:
        try:
            plugin = entry.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - any error of a foreign module
            _blame(self.broken, entry.name, f"cannot be imported: {error!r}")
            return
        self._register(plugin, entry.name)

    def _register(self, plugin: object, name: str | None) -> None:
        shown = name or getattr(plugin, "__name__", None) or repr(plugin)
        try:
            self._manager.register(plugin, name)
        except (pluggy.PluginValidationError, ValueError) as error:
            if self._manager.is_registered(plugin):
                self._manager.unregister(plugin)
            _blame(
                self.broken, shown, f"does not fit its hook: {str(error).strip().splitlines()[-1]}"
            )
            return
        for caller in self._manager.get_hookcallers(plugin) or ():
            if caller.spec is None and not _is_optional(caller, plugin):
                self._manager.unregister(plugin)
                _blame(self.broken, shown, f"has a hook that does not exist: {caller.name}")
                return

    def _each(self, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
        """Call each plugin by itself, so that one that raises takes nobody along."""
        caller = getattr(self._manager.hook, hook)
        for implementation in reversed(caller.get_hookimpls()):
            wanted = {name: arguments[name] for name in implementation.argnames}
            _log.debug("%s is asked of plugin %s", hook, implementation.plugin_name)
            try:
                result = implementation.function(**wanted)
                if result is not None and not caller.spec.opts.get("firstresult"):
                    result = list(result)
            except Exception as error:  # noqa: BLE001 - any error of a foreign function
                _log.warning("plugin %s failed in %s: %r", implementation.plugin_name, hook, error)
                continue
            if result is not None:
                yield implementation.plugin_name, result

    def _all(self, hook: str, kind: type, **arguments: Any) -> list[Any]:
        found = []
        for plugin, items in self._each(hook, **arguments):
            for item in items:
                if _is(item, kind):
                    found.append(item)
                else:
                    _blame(self.broken, plugin, f"gives what is no {kind.__name__} ({hook})")
        return found

    def _first(self, hook: str, **arguments: Any) -> Any:
        return next((result for _, result in self._each(hook, **arguments)), None)

    @property
    def names(self) -> list[str]:
        """Names of the plugins that are in."""
        return sorted(name for name, _ in self._manager.list_name_plugin())

    def ecosystems(self, origins: Sequence[Origin]) -> list[Ecosystem]:
        """Every ecosystem, third parties' first; of two with one name the first one's."""
        found: dict[str, Ecosystem] = {}
        for plugin, made in self._each("headrace_ecosystems", origins=origins):
            for each in made:
                why = _unfit(each)
                if why is None:
                    found.setdefault(each.name, each)
                else:
                    _blame(self.broken, plugin, why)
        return list(found.values())

    def mirrors(self, ecosystem: str) -> list[Mirror]:
        """Every mirror of an ecosystem; of two with one id the first plugin's wins."""
        mirrors: dict[str, Mirror] = {}
        for mirror in self._all("headrace_mirrors", Mirror, ecosystem=ecosystem):
            mirrors.setdefault(mirror.id, mirror)
        return list(mirrors.values())

    def accelerator_detectors(self) -> list[AcceleratorDetector]:
        """Every way to find GPUs, third parties' first."""
        return self._all("headrace_accelerator_detectors", hookspecs.AcceleratorDetector)

    def choose_variant(
        self, request: VariantRequest, accelerators: Sequence[Accelerator]
    ) -> Variant | None:
        """Return the first plugin's choice."""
        chosen: Variant | None = self._first(
            "headrace_choose_variant", request=request, accelerators=accelerators
        )
        return chosen

    def order_mirrors(
        self, artifact: Artifact, candidates: Sequence[MirrorStats]
    ) -> Sequence[Mirror] | None:
        """Return the first plugin's order; None: the core's own selection decides."""
        order: Sequence[Mirror] | None = self._first(
            "headrace_order_mirrors", artifact=artifact, candidates=candidates
        )
        return order

    def credential(self, origin: Origin) -> Credential | None:
        """Return the user's credential for an origin, where a plugin knows one."""
        credential: Credential | None = self._first("headrace_credential", origin=origin)
        return credential

    def login(self, mirror: Mirror) -> Credential | None:
        """Return the user's login for a mirror of their own, where a plugin knows one."""
        credential: Credential | None = self._first("headrace_login", mirror=mirror)
        return credential

    def explanations(
        self,
        what: str,
        version: str | None,
        ecosystem: str | None,
        *,
        place: Place,
        find_host: Callable[[], Host],
        ask: AskGateway,
    ) -> list[Explanation]:
        """Everything that tools themselves say of a request."""
        return self._all(
            "headrace_explanations",
            hookspecs.Explanation,
            what=what,
            version=version,
            ecosystem=ecosystem,
            place=place,
            find_host=find_host,
            ask=ask,
        )

    def image_tools(self) -> list[ImageTool]:
        """Everything that ``headrace image`` can be done with."""
        return self._all("headrace_image_tools", hookspecs.ImageTool)

    def checks(self, place: Place, host: Host) -> list[Finding]:
        """Everything that tools need of this machine and that was looked at."""
        return self._all("headrace_checks", hookspecs.Finding, place=place, host=host)

    def activations(self) -> list[Activation]:
        """Every tool that can be pointed at the gateway."""
        return self._all("headrace_activations", hookspecs.Activation)

    def led_tools(self) -> list[LedTool]:
        """By which way each tool's commands are led."""
        return self._all("headrace_led_tools", LedTool)

    def led_containers(self) -> list[LeadsContainers]:
        """How what engines start in containers is led."""
        return self._all("headrace_led_containers", hookspecs.LeadsContainers)

    def container_networks(self, place: Place) -> list[ContainerNetwork]:
        """Every network that an engine has on this machine."""
        return self._all("headrace_container_networks", ContainerNetwork, place=place)

    def observe(self, event: SourceFailed | TransferFinished) -> None:
        """Tell every watcher."""
        caller = self._manager.hook.headrace_observe
        for implementation in caller.get_hookimpls():
            try:
                implementation.function(*([event] if implementation.argnames else []))
            except Exception as error:  # noqa: BLE001 - a watcher must not be felt
                _log.warning("plugin %s failed in observe: %r", implementation.plugin_name, error)


def _blame(broken: dict[str, str], name: str, what: str) -> None:
    broken[name] = what
    _log.warning("plugin %s is left out: it %s", name, what)


class PublicPlugins(Plugins):
    """Plugins of a gateway that has nobody's secrets: no plugin is asked for one."""

    def credential(self, origin: Origin) -> Credential | None:
        """None, whatever the plugins know."""
        del origin
        return None

    def login(self, mirror: Mirror) -> Credential | None:
        """None, whatever the plugins know."""
        del mirror
        return None


def _is_optional(caller: pluggy.HookCaller, plugin: object) -> bool:
    return any(i.optionalhook for i in caller.get_hookimpls() if i.plugin is plugin)


def _is(item: object, kind: type) -> bool:
    try:
        return isinstance(item, kind)
    except Exception:  # noqa: BLE001 - any error of a foreign object
        return False


def _unfit(each: object) -> str | None:
    """Say why an object cannot be served as an ecosystem; None: it can.

    Whatever the core reads of it by itself, outside a request, is read here once: later there is
    nobody who could leave it out.
    """
    try:
        if not isinstance(each, Ecosystem):
            return f"gives what is no ecosystem: {each!r}"
        for protocol in (getattr(ecosystems, name) for name in ecosystems.__all__):
            for member in vars(protocol) if isinstance(each, protocol) else ():
                if not member.startswith("_"):
                    getattr(each, member)
        name: Any = each.name
        prefixes: Any = each.prefixes
        fits = (
            isinstance(name, str)
            and not isinstance(prefixes, str)
            and all(one[:1] + one[-1:] == "//" for one in prefixes)
            and all(isinstance(one, Origin) for one in each.origins)
        )
    except Exception as error:  # noqa: BLE001 - any error of a foreign object
        return f"gives an ecosystem that cannot be looked at: {error!r}"
    if fits:
        return None
    return f"gives an ecosystem with a name, prefixes or origins that are none: {name!r}"
