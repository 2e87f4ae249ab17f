"""The end of ``headrace gateway``, for which the command waits that had it for itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """\
import gc
from headrace.cli import main
code = main(["gateway", "--port", "0"])
print(code, gc.get_freeze_count() > 10_000, len(gc.get_objects()) < 1000)
"""


def test_python_does_not_look_through_all_that_is_here_once_it_has_served(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={
            "HOME": str(tmp_path),
            "HEADRACE_HOME": str(tmp_path / "headrace"),
            "PATH": os.defpath,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    with process:
        said = process.stdout.readline()
        process.terminate()
        said += process.stdout.read()
    assert said.splitlines()[-1] == "0 True True", said
