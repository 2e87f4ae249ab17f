from __future__ import annotations

from headrace.config import Settings
from headrace.interface.hookspecs import hookimpl
from headrace.interface.manager import Plugins
from headrace.models import Mirror
from headrace.sources.candidates import Candidates

SURE = Mirror("sure", "python", "https://sure.example", "packages")
DOUBTFUL = Mirror("doubtful", "python", "https://doubtful.example", "packages", opt_in=True)


class Catalogue:
    """A plugin with one mirror of each kind."""

    @hookimpl
    def headrace_mirrors(self, ecosystem: str) -> list[Mirror]:
        return [SURE, DOUBTFUL] if ecosystem == "python" else []


def in_use(settings: Settings) -> list[str]:
    plugins = Plugins([Catalogue()], entry_points=False)
    sources = Candidates(plugins, settings, None, None, "home")  # type: ignore[arg-type]
    return [mirror.id for mirror in sources.mirrors("python")]


def test_a_doubtful_mirror_is_used_only_when_the_settings_name_it() -> None:
    assert in_use(Settings()) == ["sure"]
    assert in_use(Settings(enabled_mirrors=frozenset({"doubtful"}))) == ["sure", "doubtful"]
    both = frozenset({"doubtful"})
    assert in_use(Settings(enabled_mirrors=both, disabled_mirrors=both)) == ["sure"]
    assert in_use(Settings(catalogue=False, enabled_mirrors=both)) == []
