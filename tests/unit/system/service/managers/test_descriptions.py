"""What launchd and Windows are told, by structure: neither runs here."""

from __future__ import annotations

import ast
import plistlib
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from headrace.config import Folders
from headrace.interface.hookspecs import Scope
from headrace.system.service import holder_windows
from headrace.system.service.managers import launchd, windows
from headrace.system.service.managers import spec as specs
from headrace.system.service.managers.launchd import Launchd
from headrace.system.service.managers.spec import ServiceSpec, describe
from headrace.system.service.managers.windows import Windows

SPACE = {"t": "http://schemas.microsoft.com/windows/2004/02/mit/task"}


@pytest.fixture
def made(tmp_path: Path) -> ServiceSpec:
    home = tmp_path / "a home"
    folders = Folders(home / "config", home / "state", home / "cache")
    return describe(folders, Scope.USER, 17223, home, ("/simple/=https://index.example/simple/",))


def no_file(_: Path) -> None:
    return None


def test_launchd_holds_the_port_on_loopback(made: ServiceSpec) -> None:
    (edit, *_) = Launchd().edits(made, no_file)
    assert edit.path == made.home / "Library/LaunchAgents/headrace.gateway.plist"
    job = plistlib.loads(edit.after or b"")
    socket = job["Sockets"][launchd.SOCKET]
    assert socket["SockNodeName"] == "127.0.0.1"
    assert socket["SockServiceName"] == "17223"
    assert socket["SockFamily"] == "IPv4"
    assert job["KeepAlive"] == {"SuccessfulExit": False}


def test_launchds_program_takes_the_sockets_and_becomes_the_holder(made: ServiceSpec) -> None:
    words = launchd.property_list(made)["ProgramArguments"]
    at = words.index(str(made.programs / "launchd_sockets.py"))
    assert words[1:at] == ["-I", "-S"]
    assert words[at + 1] == launchd.SOCKET
    assert words[at + 2] == str(made.programs / "holder.py")
    assert words[words.index("--") + 1 :] == list(made.held.worker)


def test_windows_task_runs_the_holder_at_logon_without_an_end(made: ServiceSpec) -> None:
    root = ET.fromstring(windows.task_xml(made))
    assert root.tag == f"{{{SPACE['t']}}}Task"
    assert root.find("t:Triggers/t:LogonTrigger", SPACE) is not None
    assert root.findtext("t:Settings/t:ExecutionTimeLimit", "", SPACE) == "PT0S"
    assert root.findtext("t:Principals/t:Principal/t:RunLevel", "", SPACE) == "LeastPrivilege"
    arguments = root.findtext("t:Actions/t:Exec/t:Arguments", "", SPACE)
    assert "--listen 127.0.0.1:17223" in arguments
    assert f'"{made.programs / "holder.py"}"' in arguments


def test_windows_holder_understands_its_command_line(made: ServiceSpec) -> None:
    given, worker = holder_windows.parse(
        ["--listen", "127.0.0.1:1", "--on-demand", "--redirect", "/a/=b", "--", "worker", "x"]
    )
    assert given == {"--listen": ["127.0.0.1:1"], "--redirect": ["/a/=b"]}
    assert worker == ["worker", "x"]
    names = {edit.path.name for edit in Windows().edits(made, no_file)}
    assert names == {"gateway-task.xml", "holder_windows.py", "responder.py"}


@pytest.mark.parametrize("name", specs.PROGRAMS)
def test_program_that_outlives_the_installation_imports_the_standard_library_alone(
    name: str,
) -> None:
    path = Path(specs.__file__).parents[1] / name
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        for module in modules:
            assert module.split(".")[0] in sys.stdlib_module_names, f"{name}: {module}"
