"""What the stage of a slim folder does with real wheels, by this machine's own pip and compiler:
the commands are those of the written file, without a container around them.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.interface import load_cuda_tables
from headrace_docker.writing.slim.stages import chosen_torch
from headrace_docker.writing.write import files
from lib.capabilities import lacks
from lib.clients import tool
from lib.images.torch_wheels import ASK
from lib.images.torch_wheels import made as made_wheels
from lib.images.written import wished
from lib.waiting import HANG


def said(*words: object, variables: Mapping[str, str], code: int = 0) -> str:
    done = subprocess.run(
        [str(word) for word in words],
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
        timeout=HANG,
        check=False,
    )
    assert done.returncode == code, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout if code == 0 else done.stdout + done.stderr


class Stage:
    """Somebody's written folder, and wheels for it; `packages` is where torch is afterwards."""

    def __init__(self, root: Path, wheels: Path) -> None:
        self.folder, self.wheels, self.made = root / "lab", wheels, root / "made"
        image = wished(slim=True)
        torch = chosen_torch(image, load_cuda_tables())
        for each in files(replace(image, slim=torch)):
            path = self.folder / each.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(each.data)
        self.pip = str(tool("pip", "26.3"))

    @property
    def variables(self) -> dict[str, str]:
        found = {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(self.wheels),
            "PIP_CONFIG_FILE": "/dev/null",
        }
        return {**found, "HOME": str(self.folder.parent), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    @property
    def with_pip(self) -> dict[str, str]:
        return {**self.variables, "PYTHONPATH": self.pip}

    def run(self) -> str:
        """Do what the file says is done with torch's wheel."""
        text = self.folder.joinpath("Dockerfile").read_text()
        (command,) = (part for part in text.split("RUN ") if "/tmp/slim.py" in part)
        command = command.partition("\n\n")[0]
        here = {
            "/made/": f"{self.made}/",
            "/tmp/": f"{self.folder}/",
            "python3 ": f"{shlex.quote(sys.executable)} ",
            "$SOURCE_DATE_EPOCH": "315532800",
        }
        inside = "|".join(map(re.escape, here))
        command = re.sub(inside, lambda match: here[match[0]], command)
        return said("sh", "-c", command, variables=self.with_pip)

    @property
    def packages(self) -> list[Path]:
        return [each.parent for each in sorted(self.made.glob("rest/**/*-packages/torch"))]

    def laid_over(self) -> Path:
        """Put the second layer over the first, as a container has them."""
        (rest,) = self.packages
        libraries = self.made / "libraries" / rest.relative_to(self.made / "rest")
        shutil.copytree(libraries, rest, dirs_exist_ok=True, symlinks=True)
        return rest

    def would_install(self, *words: str) -> set[str]:
        """Ask pip what it would bring beside what is there."""
        report = self.folder / "report"
        there = ":".join([*map(str, self.packages), self.pip])
        held = next(self.made.glob("rest/**/share/taken-out.txt"))
        variables = {**self.variables, "PYTHONPATH": there, "PIP_CONSTRAINT": str(held)}
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--report", report)
        said(*pip, *words, variables=variables)
        come = [each["metadata"] for each in json.loads(report.read_text())["install"]]
        return {f"{each['name']}=={each['version']}" for each in come}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if any(shutil.which(program) is None for program in ("gcc", "nm", "readelf")):
        pytest.skip(lacks("system", "gcc with its binutils"))
    folder = tmp_path_factory.mktemp("wheels")
    for built in made_wheels(tmp_path_factory.mktemp("scratch")):
        folder.joinpath(built.name).write_bytes(built.data)
    return folder


@pytest.fixture
def stage(tmp_path: Path, wheels: Path) -> Stage:
    return Stage(tmp_path, wheels)


def test_torch_loads_and_what_stands_in_says_that_it_does(stage: Stage) -> None:
    told = stage.run()
    rest = stage.laid_over()
    answer = said(sys.executable, "-c", ASK, variables={"PYTHONPATH": str(rest)}).strip()
    assert answer == "3 this image has it not: slim.toml took it out 10"
    for gone in ("NCCL", "triton", "headers", "static libraries", "device code of NVSHMEM"):
        assert f"gone: {gone}; lost: " in told
    left = {each.relative_to(rest).as_posix() for each in rest.rglob("*") if each.is_file()}
    assert not [name for name in left if "/include/" in name or name.endswith((".a", ".bc"))]
    assert not [name for name in left if name.startswith("triton")]
    assert {"torch/bin/torch_shm_manager", "sympy/core/args.py"} <= left
    assert "nvidia/cu13/lib/libcublas.so.13" in left


CHECK = "import check; print(check.no_other_package_wants_a_stand_in())"


def test_the_check_names_stand_ins_and_what_was_added_that_wants_one(stage: Stage) -> None:
    stage.run()
    rest = stage.laid_over()
    here = {"PYTHONPATH": f"{rest}:{stage.folder}"}
    told = said(sys.executable, "-c", CHECK, variables=here)
    assert told.strip() == "libcusparseLt.so.0, libnccl.so.2"
    said(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", rest),
        "linked-to-nccl",
        variables=stage.with_pip,
    )
    ended = said(sys.executable, "-c", CHECK, variables=here, code=1)
    assert "linked_to_nccl/more.so wants ['libcusparseLt.so.0', 'libnccl.so.2']" in ended
    assert "delete its row in slim.toml" in ended


def test_packages_beside_torch_bring_nothing_back_and_those_for_triton_the_right_one(
    stage: Stage,
) -> None:
    stage.run()
    assert stage.would_install("beside-torch") == {"beside-torch==1.0"}
    # There is a newer one, for which torch was not made.
    come = stage.would_install("kernels-in-triton")
    assert come == {"kernels-in-triton==1.0", "triton==3.9.0"}


def test_a_part_whose_row_is_gone_stays_and_torch_requires_it(stage: Stage) -> None:
    data = stage.folder / "slim.toml"
    data.write_text(
        "\n\n".join(row for row in data.read_text().split("\n\n") if '"triton"' not in row)
    )
    stage.run()
    (rest,) = stage.packages
    assert rest.joinpath("triton/backends/nvidia/bin/ptxas").exists()
    assert b"Requires-Dist: triton" in next(rest.glob("torch-*.dist-info/METADATA")).read_bytes()


def test_two_runs_give_the_same_files_rights_and_times_whatever_the_umask(stage: Stage) -> None:
    seen = []
    for umask in (0o022, 0o077):
        before = os.umask(umask)
        try:
            stage.run()
        finally:
            os.umask(before)
        found = {}
        for path in sorted(stage.made.rglob("*")):
            about = path.lstat()
            content = path.read_bytes() if path.is_file() else b""
            name = path.relative_to(stage.made).as_posix()
            found[name] = (oct(about.st_mode), about.st_mtime_ns, content)
        seen.append(found)
        shutil.rmtree(stage.made)
    assert seen[0] == seen[1]
