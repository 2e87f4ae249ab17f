"""The text of a shell's functions: what of it comes from elsewhere is quoted, or left out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from headrace.cli.setup import functions
from lib.capabilities import lacks


@pytest.mark.parametrize("shell", functions.SHELLS)
def test_a_name_that_means_something_to_a_shell_gets_no_function(shell: str) -> None:
    odd = ["a b", "$x", "x;y", "-x", "", "x'y", "*", "a/b"]
    text = functions.text(shell, ["/bin/python"], "/m", ["crate", "crate-2", *odd])
    (loop,) = [line for line in text.splitlines() if line.startswith("for ")]
    assert loop.replace("'", "").removesuffix("; do").split(" in ")[1] == "crate crate-2"


@pytest.mark.parametrize("shell", functions.SHELLS)
@pytest.mark.parametrize("folder", ["plain", "it's", "a b", "$HOME", "back\\slash", "a;b"])
def test_every_shell_understands_it_wherever_headrace_is(
    tmp_path: Path, shell: str, folder: str
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(lacks("programs", f"{shell} is not installed here"))
    place = str(tmp_path / folder / "python")
    text = functions.text(shell, [place, "-P"], place, ["crate"])
    path = tmp_path / "text"
    path.write_text(text, "utf-8")
    subprocess.run([program, "-n", str(path)], check=True, capture_output=True)
