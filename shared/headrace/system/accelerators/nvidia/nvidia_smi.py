"""NVIDIA's own program, where its libraries cannot be asked directly."""

from __future__ import annotations

import csv
import re

from headrace.config import EnvVars
from headrace.foreign import UnreadableError, foreign
from headrace.system.accelerators import bounded_process
from headrace.system.accelerators.host_view import HostView
from headrace.system.accelerators.nvidia.error_codes import crash_note
from headrace.system.accelerators.nvidia.kernel import VERSION
from headrace.system.accelerators.records import text_of, version_of
from headrace.system.accelerators.results import ProbeOutcome, ProbeResult
from headrace.variants.hosts import Accelerator
from headrace.wording import counted

__all__ = ["ask", "find"]

WAY = "nvidia-smi"
_FIELDS = "name,compute_cap,driver_version,memory.total"
#: Drivers before about 470 know no compute_cap.
_OLD_FIELDS = "name,driver_version,memory.total"
_MISMATCH = re.compile(r"driver/library version mismatch", re.IGNORECASE)
_NONE_FOUND = re.compile(r"no devices were found", re.IGNORECASE)
_UNKNOWN_FIELD = re.compile(r"not a valid field", re.IGNORECASE)
_CAPABILITY = re.compile(r"(\d{1,2})\.(\d{1,2})")
_MEMORY = re.compile(r"(\d{1,9}) MiB")
_MISMATCH_CODE = 18


def find(host_view: HostView) -> str | None:
    """Return the program's path."""
    if found := host_view.which("nvidia-smi"):
        return found
    if host_view.platform == "win32":
        windows = host_view.env.get(EnvVars.WINDIR, "C:/Windows")
        programs = host_view.env.get(EnvVars.PROGRAMFILES, "C:/Program Files")
        places = (f"{windows}/System32", f"{programs}/NVIDIA Corporation/NVSMI")
        return next((f"{p}/nvidia-smi.exe" for p in places if host_view.exists(p)), None)
    for folder in ("/usr/lib/wsl/lib", "/run/opengl-driver/bin", "/run/current-system/sw/bin"):
        if host_view.exists(f"{folder}/nvidia-smi"):
            return str(host_view.path(f"{folder}/nvidia-smi"))
    return None


def ask(host_view: HostView) -> ProbeResult:
    """Run it; once more without the field that old ones do not know."""
    program = find(host_view)
    if program is None:
        return ProbeResult(WAY, ProbeOutcome.ABSENT, "there is no such program")
    ran = _run(program, _FIELDS, host_view)
    fields = _FIELDS
    if _UNKNOWN_FIELD.search(ran.output):
        fields = _OLD_FIELDS
        ran = _run(program, fields, host_view)
    if ran.late:
        return ProbeResult(WAY, ProbeOutcome.SILENT, ran.trouble)
    if _MISMATCH.search(ran.output):
        return ProbeResult(
            WAY, ProbeOutcome.REFUSED, "driver/library version mismatch", _MISMATCH_CODE
        )
    if _NONE_FOUND.search(ran.output):
        return ProbeResult(WAY, ProbeOutcome.ANSWERED, "no devices")
    if ran.trouble:
        first = text_of(ran.output.strip().partition("\n")[0])
        outcome = ProbeOutcome.REFUSED if ran.code and ran.code > 0 else ProbeOutcome.CRASHED
        said = ran.trouble + (f": {first}" if first else "")
        notes = (crash_note(program, ran.trouble),) if ran.crashed else ()
        return ProbeResult(WAY, outcome, said, ran.code, notes=notes)
    return _read(ran.output, fields.split(","))


def _run(program: str, fields: str, host_view: HostView) -> bounded_process.ProcessResult:
    argv = (program, f"--query-gpu={fields}", "--format=csv,noheader")
    return bounded_process.run(argv, host_view.env, host_view.patience())


def _rows(output: str) -> list[list[str]]:
    try:
        with foreign("its output"):
            return list(csv.reader(output.splitlines(), skipinitialspace=True))
    except UnreadableError:
        return []


def _read(output: str, fields: list[str]) -> ProbeResult:
    found = []
    for row in _rows(output):
        if len(row) != len(fields):
            continue
        line = dict(zip(fields, (cell.strip() for cell in row), strict=True))
        driver = VERSION.fullmatch(line["driver_version"])
        name = text_of(line["name"])
        if not driver or not name:
            continue
        capability = _CAPABILITY.fullmatch(line.get("compute_cap", ""))
        memory = _MEMORY.fullmatch(line["memory.total"])
        found.append(
            Accelerator(
                "nvidia",
                name,
                version_of([int(n) for n in capability.groups()]) if capability else None,
                driver=driver.group(),
                memory=int(memory.group(1)) << 20 if memory else None,
                method=WAY,
            )
        )
    if not found:
        return ProbeResult(WAY, ProbeOutcome.CRASHED, "its output makes no sense")
    said = counted(len(found), "GPU")
    return ProbeResult(
        WAY, ProbeOutcome.ANSWERED, said, driver=found[0].driver, accelerators=tuple(found)
    )
