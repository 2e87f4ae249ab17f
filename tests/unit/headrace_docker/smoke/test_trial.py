"""An image is tried by an engine; what the engine says is what docker 28.2 and runc 1.1 say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from headrace.errors import LocalError, UsageError
from headrace.interface import ImageStanding, ImageTrial
from headrace.variants.hosts import Accelerator, Host
from headrace_docker.smoke.report import MARK
from headrace_docker.smoke.trial import check
from lib.places import place

GPU = Host((Accelerator("nvidia", "NVIDIA A100", (8, 0)),), "580.82.09", (13, 0), "x86_64")
BARE = (
    "docker: Error response from daemon: failed to create task for container: failed to create "
    "shim task: OCI runtime create failed: runc create failed: unable to start container process: "
    'exec: "'
    '%s": executable file not found in $PATH: unknown\n\n'
    "Run 'docker run --help' for more information"
)
REFUSED = (
    'docker: Error response from daemon: could not select device driver "" with capabilities: '
    "[[gpu]]\n\nRun 'docker run --help' for more information"
)
REPORT = f"{MARK}{json.dumps({'form': 1, 'python': '3.12.3'})}"

Say = Callable[..., ImageTrial]


@pytest.fixture
def saying(tmp_path: Path) -> Say:
    def make(
        shell: str, python: str, refused: str = "", machine: str = "amd64", name: str = "me/x"
    ) -> ImageTrial:
        texts = {"shell": shell, "python": python, "refused": refused}
        for key, text in texts.items():
            (tmp_path / key).write_text(text)
        program = tmp_path / "bin" / "docker"
        program.parent.mkdir(exist_ok=True)
        program.write_text(
            "#!/bin/sh\n"
            f"cd {tmp_path}\n"
            'tell() { if grep -q headrace-check: "$1"; then cat "$1"; else cat "$1" >&2; exit 127; '
            "fi; }\n"
            'case "$*" in\n'
            f"  *nosuch*) echo Error: No such image: nosuch >&2; exit 1;;\n"
            f"  *Architecture*) echo {machine};;\n"
            "  run*gpus*) [ -s refused ] && tell refused\n"
            '    case "$*" in *"entrypoint sh"*) tell shell;; *) tell python;; esac;;\n'
            '  run*"entrypoint sh"*) tell shell;;\n'
            "  run*) tell python;;\n"
            "esac\n"
        )
        program.chmod(0o755)
        there = place(tmp_path, {"PATH": f"{program.parent}:/usr/bin:/bin"})
        return ImageTrial(name, "docker", there, lambda: GPU, lambda _: None)

    return make


def told(trial: ImageTrial) -> list[str]:
    return list(check(trial).lines)


def test_image_without_a_shell_is_tried_by_its_python_and_the_gpu_is_not_blamed(
    saying: Say,
) -> None:
    lines = told(saying(BARE % "sh", REPORT))
    assert not any("cannot give a container the GPU" in line for line in lines)
    assert any("frameworks" in line for line in lines)


def test_image_with_neither_says_so_and_blames_nobody(saying: Say) -> None:
    outcome = check(saying(BARE % "sh", BARE % "python3"))
    assert outcome.standing is ImageStanding.FAILED
    (line,) = outcome.lines
    assert "neither a shell nor a python3" in line
    assert line.startswith("not checked")


def test_image_for_another_processor_is_told_by_its_configuration(saying: Say) -> None:
    failed = "exec /usr/bin/sh: exec format error"
    lines = told(saying(failed, failed, machine="arm64"))
    assert "it is for arm64, and this machine is x86_64" in lines[0]


def test_gpu_that_the_engine_refuses_is_told_in_the_engines_words(saying: Say) -> None:
    first, *_ = told(saying(REPORT, REPORT, refused=REFUSED))
    assert "cannot give a container the GPU: docker: Error response from daemon: could not" in first


def test_image_that_is_not_here_and_what_is_no_name_end_before_anything_runs(saying: Say) -> None:
    with pytest.raises(LocalError, match="docker has no image nosuch") as caught:
        check(saying("", "", name="nosuch:1"))
    assert caught.value.reference == "no-image"
    with pytest.raises(UsageError, match="is an option"):
        check(saying("", "", name="--privileged"))
