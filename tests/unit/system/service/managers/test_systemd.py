"""The units, as systemd itself judges them."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.interface.hookspecs import Scope
from headrace.system.service.managers import systemd
from headrace.system.service.managers.spec import ServiceSpec, describe
from headrace.system.service.managers.systemd import Systemd
from lib.capabilities import lacks

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(
    ANALYZE is None, reason=lacks("programs", "no systemd-analyze here")
)


def no_file(_: Path) -> None:
    return None


def made(tmp_path: Path, scope: Scope, *, name: str = "home") -> ServiceSpec:
    home = tmp_path / name
    folders = Folders(home / "config", home / "state", home / "cache")
    return describe(folders, scope, 17223, home, ("/simple/=https://index.example/simple/",))


def write(spec: ServiceSpec, units: Path) -> dict[str, str]:
    for edit in Systemd(units, units).edits(spec, no_file):
        assert edit.after is not None
        edit.path.parent.mkdir(parents=True, exist_ok=True)
        edit.path.write_bytes(edit.after)
    return {path.name: path.read_text("utf-8") for path in units.iterdir()}


def options(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


@needs_systemd
@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("name", ["home", "a home with $ % \\ and 'quotes\""])
def test_units_pass_systemd_analyze_verify(tmp_path: Path, scope: Scope, name: str) -> None:
    units = tmp_path / "units"
    spec = made(tmp_path, scope, name=name)
    write(spec, units)
    inside = Systemd(units, units).containers_edit(spec, spec.held.worker, no_file)
    inside.path.write_bytes(inside.after or b"")
    for unit in (systemd.SOCKET, systemd.SERVICE, systemd.CONTAINERS):
        argv = [str(ANALYZE), "verify", "--man=no", *(["--user"] if scope is Scope.USER else [])]
        done = subprocess.run(
            [*argv, str(units / unit)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        )
        # It complains of what it finds in other units of the machine too.
        ours = [line for line in done.stderr.splitlines() if "headrace" in line]
        assert ours == [], done.stderr


@needs_systemd
def test_system_service_is_well_enclosed_in_systemds_own_judgement(tmp_path: Path) -> None:
    units = tmp_path / "units"
    write(made(tmp_path, Scope.SYSTEM), units)
    argv = [str(ANALYZE), "security", "--offline=true", "--no-pager", "--threshold=25"]
    done = subprocess.run(
        [*argv, str(units / systemd.SERVICE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_socket_is_on_loopback_and_never_gives_up(tmp_path: Path) -> None:
    unit = options(write(made(tmp_path, Scope.USER), tmp_path / "units")[systemd.SOCKET])
    assert unit["Socket"]["ListenStream"] == "127.0.0.1:17223"
    assert unit["Socket"]["TriggerLimitIntervalSec"] == "0"
    assert unit["Install"]["WantedBy"] == "sockets.target"


def test_systems_gateway_is_not_root_and_a_users_has_no_account(tmp_path: Path) -> None:
    system = options(write(made(tmp_path, Scope.SYSTEM), tmp_path / "s")[systemd.SERVICE])
    assert system["Service"]["User"] == "headrace"
    assert system["Service"]["NoNewPrivileges"] == "yes"
    user = options(write(made(tmp_path, Scope.USER), tmp_path / "u")[systemd.SERVICE])
    assert "User" not in user["Service"]
    assert user["Service"]["NoNewPrivileges"] == "yes"


def test_service_comes_back_whatever_happens(tmp_path: Path) -> None:
    unit = options(write(made(tmp_path, Scope.USER), tmp_path / "units")[systemd.SERVICE])
    assert unit["Service"]["Restart"] == "always"
    assert unit["Unit"]["StartLimitIntervalSec"] == "0"
    assert unit["Service"]["Type"] == "notify"


def test_usual_folders_become_state_and_cache_directories() -> None:
    text = systemd.service_unit(describe(Folders.of_system(), Scope.SYSTEM, 1, Path("/root")))
    unit = options(text)["Service"]
    assert unit["StateDirectory"] == unit["CacheDirectory"] == "headrace"
    assert "ReadWritePaths" not in unit


def test_programs_of_the_machine_lie_where_only_root_can_write(tmp_path: Path) -> None:
    spec = made(tmp_path, Scope.SYSTEM)
    assert spec.programs.is_relative_to(spec.folders.config)
    assert str(spec.programs / "holder.py") in systemd.service_unit(spec)


def test_no_secret_stands_in_any_file(tmp_path: Path) -> None:
    for edit in Systemd(tmp_path, tmp_path).edits(made(tmp_path, Scope.USER), no_file):
        assert not edit.private
        assert b"@" not in (edit.after or b"").split(b"ExecStart")[-1].split(b"\n")[0]


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("plain", "plain"),
        ("", '""'),
        ("two words", '"two words"'),
        ("50%", '"50%%"'),
        ("$HOME", '"$$HOME"'),
        ('say "x"', '"say \\"x\\""'),
        ("back\\slash", '"back\\\\slash"'),
    ],
)
def test_quoting_of_a_word(word: str, quoted: str) -> None:
    assert systemd.quote(word) == quoted
