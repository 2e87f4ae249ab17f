"""Whether the words of the settings mean anything here: layouts, mirrors, tools, builds, targets.

Their shape was looked at where they were read (`headrace.setting_rules`); this asks the plugins and
the tables. A word that nobody knows would pass in silence, and do nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from headrace.config import EnvVars, Settings
from headrace.errors import ConfigurationError, SettingsError
from headrace.interface.ecosystems import NamesLayouts
from headrace.interface.hookspecs import OptIn
from headrace.interface.manager import Plugins
from headrace.models import Origin
from headrace.setting_rules import mistake, mistaken_mirror
from headrace.wording import listed

if TYPE_CHECKING:
    from headrace.variants.builds import CudaTables

__all__ = ["UNKNOWN_MIRROR", "Words", "unknown_words"]

#: The reference of a mistake that was none before the mirror left the catalogue: it is told, and
#: stops nobody.
UNKNOWN_MIRROR = "unknown-mirror"

#: The id of the origin, which no mirror can have and nobody can disable.
_ORIGIN = "origin"
#: CUDA of the oldest build that there ever was.
_OLDEST = (7, 5)
#: Majors beyond the newest known one that there may be by now.
_MAJORS_AHEAD = 2
_UNSET = "set it right or unset it"


def unknown_words(
    settings: Settings, env: Mapping[str, str], plugins: Plugins
) -> Iterator[SettingsError]:
    """Yield a mistake for each word that means nothing, in the settings and in the variables that
    go before them.
    """
    path = settings.source or Path("config.toml")
    words = Words(plugins)
    yield from _mirrors(settings, path, words)
    yield from _ids(settings, path, words)
    yield from _origins(settings, path, words)
    yield from _also(settings, path, plugins)
    yield from _builds(settings, env, path)


class Words:
    """What the plugins know, asked once and only where something is to be compared with it."""

    def __init__(self, plugins: Plugins) -> None:
        self.plugins = plugins

    @cached_property
    def ecosystems(self) -> list[str]:
        """Those that headrace brings, as far as their plugins are here."""
        from headrace.interface import catalogue  # noqa: PLC0415 - start-up time

        return [name for name in catalogue.shipped() if self._made(name) is not None]

    def is_ecosystem(self, name: str) -> bool:
        """Whether any plugin has it."""
        return self._made(name) is not None or bool(self.plugins.mirrors(name))

    def layouts(self, ecosystem: str) -> Collection[str] | None:
        """Return the layouts that an ecosystem's mirrors may have; None: it does not say."""
        made = self._made(ecosystem)
        return sorted(made.layouts) if isinstance(made, NamesLayouts) else None

    def _made(self, name: str) -> object | None:
        # One is made where there is an origin of it.
        someone = Origin(name, "https://origin.invalid")
        every = self.plugins.ecosystems([someone])
        return next((each for each in every if each.name == name), None)

    @property
    def served(self) -> str:
        """Say what an ecosystem must be."""
        return f"ecosystem must be one that a plugin serves ({listed(self.ecosystems)})"


def _mirrors(settings: Settings, path: Path, words: Words) -> Iterator[SettingsError]:
    for mirror in settings.mirrors:
        name = mirror.id
        if name == _ORIGIN:
            yield mistaken_mirror(path, name, "id must be another word: that is the origin's")
        if not words.is_ecosystem(mirror.ecosystem):
            yield mistaken_mirror(path, name, words.served, mirror.ecosystem, words.ecosystems)
            continue
        known = words.layouts(mirror.ecosystem)
        if known is not None and mirror.layout not in known:
            what = f"layout must be one of {listed(known)} for {mirror.ecosystem}"
            yield mistaken_mirror(path, name, what, mirror.layout, known)


def _ids(settings: Settings, path: Path, words: Words) -> Iterator[SettingsError]:
    named = {
        "disabled_mirrors": settings.disabled_mirrors,
        "enabled_mirrors": settings.enabled_mirrors,
    }
    if not any(named.values()):
        return
    known_ids = {mirror.id for mirror in settings.mirrors}
    for ecosystem in {*words.ecosystems, *(mirror.ecosystem for mirror in settings.mirrors)}:
        known_ids |= {mirror.id for mirror in words.plugins.mirrors(ecosystem)}
    for key, ids in named.items():
        for each in sorted(ids - known_ids):
            what = "must be ids of mirrors that are known (`headrace doctor` lists those in use)"
            if each == _ORIGIN:
                what = "must be ids of mirrors: the origin is always asked in the end"
            reference = "bad-settings" if each == _ORIGIN else UNKNOWN_MIRROR
            yield mistake(path, key, what, each, sorted(known_ids), reference=reference)
    for each in sorted(settings.disabled_mirrors & settings.enabled_mirrors):
        yield mistake(path, "enabled_mirrors", f"has {each}, which disabled_mirrors has too")


def _origins(settings: Settings, path: Path, words: Words) -> Iterator[SettingsError]:
    for text in sorted(settings.origins):
        ecosystem = text.partition("=")[0].partition("/")[0]
        if not words.is_ecosystem(ecosystem):
            what = f"{text.partition('=')[0]}: {words.served}"
            yield mistake(path, "origins", what, ecosystem, words.ecosystems)


def _also(settings: Settings, path: Path, plugins: Plugins) -> Iterator[SettingsError]:
    if not settings.also:
        return
    every = plugins.activations()
    tools = {each.tool for each in every}
    asked_for = sorted(each.tool for each in every if isinstance(each, OptIn) and each.opt_in)
    for each in sorted(settings.also - tools):
        what = f"must be tools that are led only when named ({listed(asked_for)})"
        yield mistake(path, "also", what, each, sorted(tools))


# ------------------------------------------------------------------ builds


def _builds(settings: Settings, env: Mapping[str, str], path: Path) -> Iterator[SettingsError]:
    build = env.get(EnvVars.HEADRACE_CUDA, "").strip().lower()
    target = env.get(EnvVars.HEADRACE_TARGET, "").strip()
    if not (build or target or settings.target or settings.variants not in ("auto", "off")):
        return
    from headrace.variants import tables as cuda_tables  # noqa: PLC0415 - start-up time

    tables = cuda_tables.load()
    if what := _no_build(settings.variants, tables):
        yield mistake(path, "variants", what, settings.variants, _labels(tables))
    if what := _no_build(build, tables):
        known = _labels(tables)
        yield mistake(None, EnvVars.HEADRACE_CUDA, what, build, known, hint=_UNSET)
    for where, text in ((path, settings.target), (None, target)):
        if text and (why := _no_target(text, tables)):
            key = "target" if where else EnvVars.HEADRACE_TARGET
            hint = f"{'mend that line' if where else _UNSET}; for example driver=550,gpu=A100"
            yield mistake(where, key, f"cannot be used: {why}", hint=hint)


def _labels(tables: CudaTables) -> Collection[str]:
    cuda = (build.label for release in tables.releases for build in release.builds)
    rocm = (f"rocm{each}" for release in tables.releases for each in release.rocm)
    return ["auto", "off", "cpu", "xpu", *sorted({*cuda, *rocm})]


def _no_build(label: str, tables: CudaTables) -> str:
    """Say what a label must be that is of no build; "" where it may be one.

    What is newer than the tables may be listed by now, and they tell not all that is very old.
    """
    from headrace.variants.compatibility.labels import (  # noqa: PLC0415 - start-up time
        Kind,
        kind_of,
        toolkit_of,
    )

    known = _labels(tables)
    if not label or label in known:
        return ""
    kind = kind_of(label)
    if kind is Kind.OTHER:
        return "must be 'auto', 'off', or a label as 'cu126', 'rocm6.4', 'xpu', 'cpu'"
    kinds = [each for each in known if kind_of(each) is kind]
    number: Callable[[str], tuple[int, ...]] = toolkit_of if kind is Kind.CUDA else _rocm
    numbers = sorted(number(each) for each in kinds)
    oldest, newest = _OLDEST if kind is Kind.CUDA else numbers[0], numbers[-1]
    asked = number(label)
    newer = asked > newest and asked[0] <= newest[0] + _MAJORS_AHEAD
    older = oldest <= asked < numbers[0]
    if newer or older:
        return ""
    return f"must be the label of a build that there is ({listed(kinds)})"


def _rocm(label: str) -> tuple[int, ...]:
    return tuple(int(part[:6]) for part in re.findall(r"[0-9]+", label)[:3])


def _no_target(text: str, tables: CudaTables) -> str:
    from headrace.variants.hosts import Host  # noqa: PLC0415 - start-up time
    from headrace.variants.target import parse_target  # noqa: PLC0415 - as above

    try:
        # A description may leave the driver to the host that it is used on.
        parse_target(text, tables, Host(driver="1"))
    except ConfigurationError as error:
        return error.message
    return ""
