"""What runs inside conda: how little it imports, when it speaks, and that it agrees with us."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace_conda.channels import known, layouts
from headrace_conda.channels.configured import known_origins
from headrace_conda.tools import condarc
from lib.conda.stub import Stub, stub
from lib.serving.servers import RecordingServer

HERE = Path(condarc.__file__).parents[2] / "headrace_conda_inside"


@pytest.fixture
def conda() -> Iterator[Stub]:
    with stub() as made:
        yield made


# ------------------------------------------------------------------ what conda pays


def test_the_file_that_conda_imports_at_every_command_is_short() -> None:
    text = (HERE / "__init__.py").read_text("utf-8")
    assert len(text.splitlines()) < 60
    modules = [
        node.module if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for node in ast.parse(text).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert modules == ["__future__", "collections.abc", "conda.plugins"]


def test_importing_it_imports_nothing_of_conda_but_its_marker(tmp_path: Path) -> None:
    plugins = tmp_path / "conda" / "plugins"
    plugins.mkdir(parents=True)
    (tmp_path / "conda" / "__init__.py").write_text("")
    (plugins / "__init__.py").write_text(
        "def hookimpl(function=None, **_):\n    return function or hookimpl\n"
    )
    code = (
        "import sys, collections.abc, __future__\n"
        f"sys.path[:0] = [{str(tmp_path)!r}, {str(HERE.parent)!r}]\n"
        "before = set(sys.modules)\n"
        "import headrace_conda_inside\n"
        "print(sorted(set(sys.modules) - before))"
    )
    told = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, check=True)
    new = ["conda", "conda.plugins", "headrace_conda_inside"]
    assert told.stdout.decode().strip() == str(new)


def test_the_hooks_register_and_import_only_what_registering_needs(conda: Stub) -> None:
    entry = conda.load("")
    before = set(sys.modules)
    sys.modules["conda.common.configuration"] = type(sys)("conda.common.configuration")
    sys.modules["conda.common.configuration"].__dict__.update(
        PrimitiveParameter=lambda *_, **__: 0, SequenceParameter=lambda *_, **__: 0
    )
    made = [
        *entry.conda_auth_handlers(),
        *entry.conda_pre_commands(),
        *entry.conda_subcommands(),
        *entry.conda_health_checks(),
        *entry.conda_settings(),
    ]
    kinds = ["AuthHandler", "PreCommand", "Subcommand", "HealthCheck", *["Setting"] * 3]
    assert [each.kind for each in made] == kinds
    new = {name for name in set(sys.modules) - before if name.startswith("headrace")}
    assert new == {"headrace_conda_inside.registered"}


# ------------------------------------------------------------------ what it knows


def test_its_public_channels_are_the_catalogues(conda: Stub) -> None:
    public = conda.load("reroute").PUBLIC
    catalogue = {
        root.place[0]: [pattern.removeprefix("cloud/") for pattern in root.public]
        for root in known._roots()
        if root.public and len(root.place) == 1
    }
    assert {host: list(names) for host, names in public.items()} == catalogue
    for host, names in public.items():
        for name in names:
            assert known.needs_no_token(f"https://{host}/{name}/linux-64/repodata.json")
    assert "anaconda" in layouts.LAYOUTS


def test_the_installed_condarc_is_what_on_would_write() -> None:
    shipped = (HERE / "headrace.yml").read_text("utf-8").splitlines()
    origins = [each.origin for each in known_origins()]
    made = condarc.render(origins, None, (), by_name=True).decode().splitlines()
    assert shipped[1:] == made[1:]
    # Nobody takes it for the file that `off` takes away.
    assert shipped[0].startswith("#")
    assert shipped[0] != condarc.MARK


# ------------------------------------------------------------------ where the gateway is


@pytest.mark.parametrize(
    ("text", "url", "token"),
    [
        ("http://127.0.0.1:17223", "http://127.0.0.1:17223", None),
        ("http://127.0.0.1:17223/", "http://127.0.0.1:17223", None),
        ("http://headrace:t%2Fk@127.0.0.1:1", "http://127.0.0.1:1", "t/k"),
        ("http://[::1]:17223", "http://[::1]:17223", None),
    ],
)
def test_an_address_is_read(conda: Stub, text: str, url: str, token: str | None) -> None:
    conda.context.plugins.headrace_gateway = text
    found = conda.load("settings").gateway()
    assert (found.url, found.token) == (url, token)


@pytest.mark.parametrize("text", ["https://x:1", "http://x", "17223", "http://x:no", "file:///x:1"])
def test_what_is_no_address_is_none(conda: Stub, text: str) -> None:
    conda.context.plugins.headrace_gateway = text
    assert conda.load("settings").gateway() is None


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of a headrace that is installed beside conda, as HEADRACE_HOME has them."""
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))
    state = tmp_path / "state"
    state.mkdir()
    return state


def test_the_records_tell_where_there_is_no_setting(conda: Stub, home: Path) -> None:
    settings = conda.load("settings")
    (home / "gateway.json").write_text(json.dumps({"host": "127.0.0.1", "port": 17300}))
    assert (settings.gateway().url, settings.gateway().token) == ("http://127.0.0.1:17300", None)
    (home / "token").write_text(json.dumps("t0k"))
    assert settings.gateway().token == "t0k"
    (home / "gateway.json").write_text("{")
    assert settings.gateway() is None


@pytest.mark.usefixtures("home")
def test_a_conda_without_plugin_settings_is_no_trap(conda: Stub) -> None:
    del conda.context.plugins
    assert conda.load("settings").gateway() is None


def test_a_folder_that_is_called_headrace_is_not_headrace(tmp_path: Path) -> None:
    (tmp_path / "headrace").mkdir()
    inside = tmp_path / "headrace_conda_inside"
    inside.mkdir()
    for name in ("settings.py", "waking.py", "port_owner.py"):
        (inside / name).write_bytes((HERE / name).read_bytes())
    (inside / "__init__.py").write_text("")
    base = tmp_path / "conda" / "base"
    base.mkdir(parents=True)
    (base / "context.py").write_text("class context:\n    offline = False\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"sys.path[:] = [p for p in sys.path if 'site-packages' not in p]\n"
        "from headrace_conda_inside import settings, waking\n"
        "waking.wake('create')\n"
        "print(settings.gateway(), settings.command(), settings.turned_off())"
    )
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert (told.stdout.strip(), told.stderr) == ("None [] False", "")


# ------------------------------------------------------------------ waking


def started(monkeypatch: pytest.MonkeyPatch, conda: Stub) -> list[list[str]]:
    """Catch what the plugin starts."""
    heard: list[list[str]] = []
    waking = conda.load("waking")
    monkeypatch.setattr(waking.subprocess, "run", lambda words, **_: heard.append(words))
    return heard


def test_a_gateway_that_answers_is_left_in_peace(
    conda: Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = started(monkeypatch, conda)
    with RecordingServer() as server:
        conda.context.plugins.headrace_gateway = server.url
        conda.context.plugins.headrace_command = ("/x/headrace",)
        conda.load("waking").wake("create")
    assert heard == []
    assert capsys.readouterr() == ("", "")


def test_a_silent_one_is_started_by_the_recorded_command_on_its_port(
    conda: Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = started(monkeypatch, conda)
    conda.context.plugins.headrace_gateway = "http://127.0.0.1:9"
    conda.context.plugins.headrace_command = ("/x/headrace",)
    conda.load("waking").wake("create")
    assert heard == [["/x/headrace", "gateway", "--detach", "--port", "9"]]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "conda goes straight to its channels" in err


def test_offline_and_after_off_nothing_is_started_and_nothing_said(
    conda: Stub,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    heard = started(monkeypatch, conda)
    (home / "off").write_text("true")
    conda.load("waking").wake("create")
    conda.context.offline = True
    (home / "off").unlink()
    conda.load("waking").wake("create")
    assert heard == []
    assert capsys.readouterr() == ("", "")


def test_the_plugin_of_another_user_in_a_shared_base_says_nothing(
    conda: Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard = started(monkeypatch, conda)
    monkeypatch.setattr(conda.load("settings"), "_states", list)
    conda.load("waking").wake("create")
    assert heard == []
    assert capsys.readouterr() == ("", "")


def test_no_error_of_ours_ends_a_command(conda: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise RuntimeError("headrace's own fault")

    monkeypatch.setattr(conda.load("waking"), "wake", broken)
    (command,) = conda.load("registered").pre_commands()
    command.args[1]("create")
    assert {"create", "install", "update", "search", "env_create"} <= command.args[2]
    assert not command.args[2] & {"list", "info", "config", "activate", "run", "clean"}


# ------------------------------------------------------------------ commands


def test_conda_headrace_is_headrace(
    conda: Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = conda.load("commands")
    conda.context.plugins.headrace_command = ("/x/headrace",)
    monkeypatch.setattr(commands.subprocess, "call", len)
    assert commands.subcommand(("explain", "conda:x")) == 3
    assert commands.subcommand(()) == 2
    monkeypatch.setattr(conda.load("settings"), "_states", list)
    conda.context.plugins.headrace_command = ()
    assert commands.subcommand(("status",)) == 1
    assert "`headrace on` never ran" in capsys.readouterr().err


@pytest.mark.usefixtures("home")
def test_conda_doctor_has_a_line_of_ours(conda: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    check = conda.load("commands").health_check
    conda.context.channel_settings = [{"channel": "https://x.example/*", "auth": "headrace"}]
    check("/x", verbose=True)
    assert capsys.readouterr().out == (
        "headrace: no gateway was set up; `headrace on` does\n    https://x.example/*\n"
    )
    with RecordingServer() as server:
        conda.context.plugins.headrace_gateway = server.url
        check("/x", verbose=False)
        assert capsys.readouterr().out == f"headrace: the gateway answers at {server.url}\n"
    conda.load("waking")._last.clear()
    check("/x", verbose=False)
    assert "nobody answers" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_a_failed_download_gets_a_hint_and_nothing_else_does(conda: Stub) -> None:
    hints = conda.load("commands").hints
    failed = sys.modules["conda.exceptions"].CondaHTTPError("x")
    assert list(hints(failed)) == []
    conda.context.plugins.headrace_gateway = "http://127.0.0.1:9"
    (hint,) = hints(failed)
    assert "conda headrace doctor" in hint.text
    assert list(hints(ValueError("x"))) == []
