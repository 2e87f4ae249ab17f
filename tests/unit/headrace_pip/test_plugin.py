from __future__ import annotations

from headrace.interface.manager import Plugins
from headrace.models import Mirror, Origin
from headrace_pip import plugin

INDEX = Origin("python", "https://index.example/simple")


def plugins() -> Plugins:
    return Plugins([plugin], entry_points=False)


def test_the_ecosystem_comes_with_its_own_origins_only() -> None:
    found = plugins().ecosystems([INDEX, Origin("crates", "https://crates.example")])
    assert [(world.name, [o.url for o in world.origins]) for world in found] == [
        ("python", [INDEX.url])
    ]
    assert plugins().ecosystems([Origin("crates", "https://crates.example")]) == []


def test_the_catalogue_is_for_this_ecosystem_only() -> None:
    assert any(isinstance(mirror, Mirror) for mirror in plugins().mirrors("python"))
    assert plugins().mirrors("crates") == []


def test_another_ecosystems_origin_has_no_credential_here() -> None:
    assert plugins().credential(Origin("crates", "https://crates.example")) is None


def test_every_tool_is_activated() -> None:
    assert [a.tool for a in plugins().activations()][:2] == ["pip", "uv"]


def test_a_third_partys_mirror_of_the_same_name_wins() -> None:
    class Site:
        """A site's own plugin."""

    mine = Mirror("tuna", "python", "https://campus.example", "packages")
    from headrace.interface.hookspecs import hookimpl  # noqa: PLC0415 - beside its use

    @hookimpl
    def headrace_mirrors(ecosystem: str) -> list[Mirror]:
        return [mine] if ecosystem == "python" else []

    site = Site()
    site.headrace_mirrors = headrace_mirrors  # type: ignore[attr-defined]
    both = Plugins([plugin, site], entry_points=False)
    assert next(m for m in both.mirrors("python") if m.id == "tuna") == mine
