"""Windows: a task that starts the holder at logon, hidden, and again whenever it ends."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from headrace.errors import LocalError
from headrace.interface.hookspecs import FileEdit, Reader
from headrace.system.service.managers.spec import ServiceSpec, copies
from headrace.system.service.process import holder_argv, stop

__all__ = ["Windows", "task_xml"]

NAME = "headrace gateway"
_SPACE = "http://schemas.microsoft.com/windows/2004/02/mit/task"


def task_xml(spec: ServiceSpec) -> bytes:
    """Return the task as the Task Scheduler schema 1.2 has it (UTF-16, as schtasks wants it)."""
    program, *words = holder_argv(spec.held)
    listen = f"{spec.host}:{spec.port}"
    at = words.index("--")
    arguments = subprocess.list2cmdline([*words[:at], "--listen", listen, *words[at:]])
    root = ET.Element("Task", {"version": "1.2", "xmlns": _SPACE})
    about = ET.SubElement(root, "RegistrationInfo")
    ET.SubElement(about, "Description").text = "Packages from the fastest sources at hand."
    logon = ET.SubElement(ET.SubElement(root, "Triggers"), "LogonTrigger")
    ET.SubElement(logon, "Enabled").text = "true"
    principal = ET.SubElement(ET.SubElement(root, "Principals"), "Principal", {"id": "Author"})
    ET.SubElement(principal, "LogonType").text = "InteractiveToken"
    ET.SubElement(principal, "RunLevel").text = "LeastPrivilege"
    settings = ET.SubElement(root, "Settings")
    for name, value in {
        "MultipleInstancesPolicy": "IgnoreNew",
        "DisallowStartIfOnBatteries": "false",
        "StopIfGoingOnBatteries": "false",
        "StartWhenAvailable": "true",
        "Hidden": "true",
        # PT0S: no limit; the default would end it after three days.
        "ExecutionTimeLimit": "PT0S",
    }.items():
        ET.SubElement(settings, name).text = value
    again = ET.SubElement(settings, "RestartOnFailure")
    ET.SubElement(again, "Interval").text = "PT1M"
    ET.SubElement(again, "Count").text = "999"
    execute = ET.SubElement(ET.SubElement(root, "Actions", {"Context": "Author"}), "Exec")
    ET.SubElement(execute, "Command").text = _windowless(program)
    ET.SubElement(execute, "Arguments").text = arguments
    ET.SubElement(execute, "WorkingDirectory").text = str(spec.home)
    return bytes(ET.tostring(root, encoding="utf-16", xml_declaration=True))


def _windowless(program: str) -> str:
    """Return the interpreter that opens no console."""
    path = Path(program)
    return str(path.with_name(path.name.replace("python", "pythonw", 1)))


class Windows:
    """A service manager: the user's Task Scheduler."""

    name = "task-scheduler"

    def path(self, spec: ServiceSpec) -> Path:
        """Return where the description is kept; the scheduler has a copy of its own."""
        return spec.folders.state / "gateway-task.xml"

    def edits(self, spec: ServiceSpec, read: Reader) -> Sequence[FileEdit]:
        """The task and the programs."""
        path = self.path(spec)
        edit = FileEdit(path, read(path), task_xml(spec), "the task that keeps the gateway up")
        return [edit, *copies(spec, read, ("holder_windows.py", "responder.py"))]

    def start(self, spec: ServiceSpec) -> None:
        """Register the task and run it now."""
        for words in (
            ("/Create", "/F", "/TN", NAME, "/XML", str(self.path(spec))),
            ("/Run", "/TN", NAME),
        ):
            if why := _schtasks(*words):
                raise LocalError(
                    "task-failed",
                    f"schtasks {words[0]} failed: {why}",
                    hint="a policy may forbid tasks; `headrace run` needs none",
                )

    def stop(self, spec: ServiceSpec) -> None:
        """End what runs, and remove the task."""
        _schtasks("/End", "/TN", NAME)
        if spec.held.lock is not None:
            stop(spec.held.lock)
        _schtasks("/Delete", "/F", "/TN", NAME)

    def forget(self, spec: ServiceSpec) -> None:
        """Nothing: the task was removed."""

    def lasts(self, spec: ServiceSpec) -> bool:  # noqa: ARG002 - the managers' signature
        """The task begins when its user logs in."""
        return False

    def said(self, spec: ServiceSpec) -> str:
        """Nothing: a hidden task's output goes nowhere."""
        del spec
        return ""

    def note(self, spec: ServiceSpec) -> str:  # noqa: ARG002 - the managers' signature
        """The task runs in the logon session."""
        return "the gateway is up while you are logged on"


def _schtasks(*words: str) -> str:
    """Return what went wrong, or ""."""
    try:
        done = subprocess.run(  # noqa: S603 - schtasks
            ["schtasks.exe", *words],  # noqa: S607 - in the system's folder, which PATH has
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else ""
