"""Every hook: documented with an example, callable, guarded, and tested here by its name."""

from __future__ import annotations

import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest

from headrace.interface import hookspecs
from headrace.interface.containers import ContainerNetwork
from headrace.interface.hookspecs import (
    AcceleratorDetector,
    Activation,
    Ecosystem,
    Explanation,
    Finding,
    Place,
    Scope,
    hookimpl,
)
from headrace.interface.images import ImageQuestion, ImageTool
from headrace.interface.leading import LedBy, LedTool
from headrace.interface.manager import Plugins
from headrace.models import (
    Artifact,
    Credential,
    Fault,
    Mirror,
    MirrorStats,
    Origin,
    SourceFailed,
    TransferFinished,
)
from headrace.variants.hosts import Accelerator, Host, Variant, VariantRequest

HOOKS = [name for name in vars(hookspecs) if name.startswith("headrace_")]
ORIGIN = Origin("crates", "https://index.example")
MIRROR = Mirror("m", "crates", "https://mirror.example", "same")
ARTIFACT = Artifact("crates", "/crates/a.crate", "a.crate", "https://index.example/a", ORIGIN)


def plugins(**hooks: object) -> Plugins:
    """Make a plugin out of functions, as a third party's module would be."""
    module = ModuleType("third_party")
    for name, function in hooks.items():
        setattr(module, name, hookimpl(function))  # type: ignore[call-overload]
    return Plugins([module], entry_points=False)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_an_example(hook: str) -> None:
    function = getattr(hookspecs, hook)
    text = inspect.getdoc(function) or ""
    assert "Example::" in text
    example = text.partition("Example::")[2]
    assert f"def {hook}(" in example
    named = re.search(rf"def {hook}\(([^)]*)\)", example)
    assert named is not None
    used = {a.strip() for a in named[1].split(",") if a.strip()}
    assert used <= set(inspect.signature(function).parameters)
    compile(inspect.cleandoc(example), hook, "exec")


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_test(hook: str) -> None:
    module = sys.modules[__name__]
    tests = [name for name in vars(module) if name.startswith(f"test_{hook}")]
    assert tests, f"write a test named test_{hook}_… for the new hook"


def test_headrace_ecosystems_hands_over_the_discovered_origins() -> None:
    made = SimpleNamespace(name="crates", prefixes=(), origins=(), plan=len, locate=len)
    seen: list[object] = []

    def hook(origins: object) -> list[object]:
        seen.append(origins)
        return [made]

    assert plugins(headrace_ecosystems=hook).ecosystems([ORIGIN]) == [cast(Ecosystem, made)]
    assert seen == [[ORIGIN]]


def test_headrace_mirrors_of_two_with_one_id_the_first_wins() -> None:
    other = Mirror("m", "crates", "https://other.example", "same")
    assert plugins(headrace_mirrors=lambda ecosystem: [MIRROR, other]).mirrors("crates") == [MIRROR]


def test_headrace_accelerator_detectors_are_collected() -> None:
    detector = AcceleratorDetector("acme", detect=list)
    found = plugins(headrace_accelerator_detectors=lambda: [detector]).accelerator_detectors()
    assert found == [detector]


def test_headrace_choose_variant_takes_the_first_opinion() -> None:
    variant = Variant("acme2", "because")
    request = VariantRequest("kernels")
    chosen = plugins(headrace_choose_variant=lambda request, accelerators: variant)
    assert chosen.choose_variant(request, [Accelerator("acme", "A1")]) == variant
    silent = plugins(headrace_choose_variant=lambda request, accelerators: None)
    assert silent.choose_variant(request, []) is None


def test_headrace_led_tools_are_collected_and_a_third_partys_come_first() -> None:
    own, builtin = (LedTool(name, ("crate",), {"": LedBy.PROXY}) for name in ("own", "builtin"))
    assert plugins(headrace_led_tools=lambda: [own, builtin]).led_tools() == [own, builtin]


def test_headrace_order_mirrors_may_leave_mirrors_out() -> None:
    order = plugins(headrace_order_mirrors=lambda artifact, candidates: [])
    assert order.order_mirrors(ARTIFACT, [MirrorStats(MIRROR)]) == []


def test_headrace_credential_is_for_origins_and_its_secret_is_not_shown() -> None:
    credential = Credential("ci", "hunter2")
    asked = plugins(headrace_credential=lambda origin: credential if origin == ORIGIN else None)
    assert asked.credential(ORIGIN) == credential
    assert asked.credential(Origin("crates", "https://elsewhere.example")) is None
    assert "hunter2" not in repr(credential)


def test_headrace_login_is_for_mirrors_of_the_users_own() -> None:
    asked = plugins(headrace_login=lambda mirror: Credential("ci", mirror.id))
    assert asked.login(MIRROR) == Credential("ci", "m")
    assert plugins(headrace_login=lambda mirror: None).login(MIRROR) is None


def test_headrace_activations_are_collected() -> None:
    methods = ("discover", "enable", "standing", "overrides", "withdraw", "environment")
    made = SimpleNamespace(tool="cargo", **dict.fromkeys(methods, len))
    assert plugins(headrace_activations=lambda: [made]).activations() == [cast(Activation, made)]


def test_headrace_explanations_are_told_what_is_asked_for(tmp_path: Path) -> None:
    here = Place(Scope.USER, tmp_path, {}, "linux", tmp_path)
    seen: list[object] = []

    def hook(what: str, version: str | None, ecosystem: str | None) -> list[Explanation]:
        seen.append((what, version, ecosystem))
        return [Explanation("cargo", ("because",))]

    made = plugins(headrace_explanations=hook)
    found = made.explanations(
        "serde", "1.0", "crates", place=here, find_host=Host, ask=lambda *_: None
    )
    assert found == [Explanation("cargo", ("because",))]
    assert seen == [("serde", "1.0", "crates")]


def test_headrace_image_tools_are_asked_one_after_the_other() -> None:
    class Acme(ImageTool):
        def find(self, question: ImageQuestion) -> Iterable[Explanation]:
            yield Explanation("acme", (f"packed {question.what} {question.flavour}",))

    tools = plugins(headrace_image_tools=lambda: [ImageTool(), Acme()]).image_tools()
    question = ImageQuestion("acme.example/x", "devel", Host, lambda *_: None)
    found = [each for tool in tools for each in tool.find(question)]
    assert found == [Explanation("acme", ("packed acme.example/x devel",))]


def test_headrace_checks_are_told_of_the_host_and_a_broken_one_is_left_out(tmp_path: Path) -> None:
    here = Place(Scope.USER, tmp_path, {}, "linux", tmp_path)
    host = Host((Accelerator("acme", "Acme One"),))
    seen: list[object] = []

    def hook(host: Host) -> list[Finding]:
        seen.append(host)
        return [Finding("acme", "warning", "acme-runtime is missing", "install it")]

    made = plugins(headrace_checks=hook)
    (found,) = made.checks(here, host)
    assert found.table()["hint"] == "install it"
    assert seen == [host]

    def broken(host: Host) -> list[Finding]:
        raise RuntimeError(host.accelerators[0].name)

    assert plugins(headrace_checks=broken).checks(here, host) == []


def test_headrace_observe_is_never_felt(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[object] = []

    def broken(event: object) -> None:
        seen.append(event)
        raise RuntimeError("watcher")

    event = SourceFailed(ARTIFACT, "m", Fault.CUT)
    plugins(headrace_observe=broken).observe(event)
    assert seen == [event]
    assert "watcher" in caplog.text
    assert TransferFinished(ARTIFACT, 1, 0.1, {}, {}).from_store is False


def test_a_plugin_that_raises_takes_nobody_along(caplog: pytest.LogCaptureFixture) -> None:
    def broken(ecosystem: str) -> list[Mirror]:
        raise OSError(ecosystem)

    def half_way(ecosystem: str) -> object:
        yield MIRROR
        raise OSError(ecosystem)

    modules = []
    for number, function in enumerate((broken, half_way, lambda ecosystem: [MIRROR])):
        module = ModuleType(f"plugin{number}")
        module.headrace_mirrors = hookimpl(function)  # type: ignore[attr-defined]
        modules.append(module)
    assert Plugins(modules, entry_points=False).mirrors("crates") == [MIRROR]
    assert "plugin0" in caplog.text
    assert "plugin1" in caplog.text


@pytest.mark.parametrize(
    ("hook", "ask"),
    [
        ("headrace_mirrors", lambda made: made.mirrors("crates")),
        ("headrace_accelerator_detectors", lambda made: made.accelerator_detectors()),
        ("headrace_activations", lambda made: made.activations()),
        (
            "headrace_explanations",
            lambda made: made.explanations("a", None, None, place=None, find_host=None, ask=None),
        ),
        ("headrace_image_tools", lambda made: made.image_tools()),
        ("headrace_checks", lambda made: made.checks(None, None)),
    ],
)
def test_what_is_nothing_of_the_kind_is_named_and_left_out(
    hook: str, ask: Callable[[Plugins], list[object]]
) -> None:
    class Moody:
        @property
        def tool(self) -> str:
            raise RuntimeError("a bug of the plugin")

    made = plugins(**{hook: lambda: [None, Moody()]})
    assert ask(made) == []
    assert hook in made.broken["third_party"]


def test_a_misspelt_hook_is_named_and_the_plugin_left_out() -> None:
    made = plugins(headrace_mirors=lambda ecosystem: [MIRROR])
    assert made.broken == {"third_party": "has a hook that does not exist: headrace_mirors"}
    assert made.mirrors("crates") == []


def test_a_wrong_argument_is_named_and_the_plugin_left_out() -> None:
    made = plugins(headrace_mirrors=lambda ecosystems: [MIRROR])
    assert "third_party" in made.broken
    assert made.mirrors("crates") == []


@pytest.mark.parametrize("code", ["import no_such_module_at_all", "raise SystemExit(3)", "def ("])
def test_a_plugin_that_cannot_be_imported_is_named_and_the_rest_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: str
) -> None:
    (tmp_path / "evil_plugin.py").write_text(code)
    monkeypatch.delitem(sys.modules, "evil_plugin", raising=False)
    info = tmp_path / "evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[headrace]\nevil = evil_plugin\n")
    monkeypatch.syspath_prepend(tmp_path)
    caplog.set_level(logging.WARNING)
    made = Plugins()
    assert "evil" in made.broken
    assert "evil" in caplog.text


def test_a_third_partys_answer_comes_before_the_built_in_one() -> None:
    built_in = ModuleType("built_in")
    built_in.headrace_credential = hookimpl(  # type: ignore[attr-defined]
        lambda origin: Credential("built-in", ""), trylast=True
    )
    third = ModuleType("third")
    third.headrace_credential = hookimpl(  # type: ignore[attr-defined]
        lambda origin: Credential("third", "")
    )
    for order in ([built_in, third], [third, built_in]):
        answer = Plugins(order, entry_points=False).credential(ORIGIN)
        assert answer is not None
        assert answer.username == "third"


def test_headrace_led_containers_registers_engines() -> None:
    engine = SimpleNamespace(inside=lambda words, place: None)
    assert plugins(headrace_led_containers=lambda: [engine]).led_containers() == [engine]


def test_headrace_container_networks_registers_networks() -> None:
    network = ContainerNetwork("acme", "usual", "10.9.0.1", "10.9.0.0/16", "acme0")
    here = Place(Scope.USER, Path("/home/u"), {}, "linux", Path("/"))
    made = plugins(headrace_container_networks=lambda place: [network] if place is here else [])
    assert made.container_networks(here) == [network]
