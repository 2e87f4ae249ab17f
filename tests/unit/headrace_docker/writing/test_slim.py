"""``image write --slim``: which wheel on which base, and what its programs take out and try."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.interface import (
    ImageFolder,
    ImageQuestion,
    ImageWishes,
    UsageError,
    load_cuda_tables,
)
from headrace.variants.hosts import Accelerator, Host
from headrace_docker.images import Images
from headrace_docker.writing.slim.stages import chosen_torch, shipped
from lib.capabilities import lacks
from lib.images.families import shaped
from lib.images.in_memory import Registries
from lib.images.written import BASES, wished

PYTHON = "docker.io/library/python"
PLAIN = shaped("slim", {"PATH": "/usr/local/bin"})
TORCH = {
    "2.15.0-cuda13.2-cudnn9-runtime": shaped("a", {}),
    "2.14.1-cuda12.6-cudnn9-runtime": shaped("b", {}),
    "2.10.0-cuda12.8-cudnn9-runtime": shaped("c", {}),
}
#: One that fits, and others that do not.
SLIM = dict.fromkeys(
    (
        *("3.13.9-slim-trixie", "3.13.11-slim-bookworm", "3.13.12-slim-alpine", "3.14.2-slim"),
        *("3.14.2-slim-trixie", "3.13.12-trixie", "3.13.12", "3.13-slim-trixie"),
    ),
    PLAIN,
)
PROGRAMS = Path(sys.modules[chosen_torch.__module__].__file__ or "").parent / "inside"
A100 = (Accelerator("nvidia", "NVIDIA A100", (8, 0)),)
OLDER = Host(A100, "550.54.15", (12, 4))
NEWER = Host(A100, "595.45.04", (13, 2))


def write(
    host: Host, what: str = "pytorch", python: dict[str, object] | None = None
) -> ImageFolder:
    named = {"docker.io/pytorch/pytorch": TORCH, PYTHON: SLIM if python is None else python}
    question = ImageQuestion(what, "", lambda: host, Registries(named))  # type: ignore[arg-type]
    return Images().folder(question, ImageWishes(slim=True), Path("/somewhere/lab"))


def text(folder: ImageFolder, name: str = "Dockerfile") -> str:
    (found,) = (each for each in folder.files if each.path == name)
    return found.data.decode()


def test_python_is_the_base_by_its_digest_in_both_stages() -> None:
    lines = text(write(NEWER)).splitlines()
    assert lines[0] == f"# {PYTHON}:3.13.11-slim-bookworm, as it was when this was written"
    assert lines[1] == f"FROM {PYTHON}@{PLAIN.digest} AS parts"
    assert lines.count(f"FROM {PYTHON}@{PLAIN.digest}") == 1
    assert not [line for line in lines if line.startswith("FROM ") and "pytorch" in line]


@pytest.mark.parametrize(
    ("host", "what", "wheel", "index"),
    [
        (NEWER, "pytorch", "torch==2.15.0", ""),
        (OLDER, "pytorch", "torch==2.14.1+cu126", "/cu126"),
        # The newest release whose default build is one for CUDA 12.
        (OLDER, "torch==2.10", "torch==2.10.0", ""),
    ],
)
def test_wheel_is_that_of_the_image_which_the_host_runs(
    host: Host, what: str, wheel: str, index: str
) -> None:
    lines = [line.strip(" \\") for line in text(write(host, what)).splitlines()]
    assert wheel in lines
    asked = [line for line in lines if line.startswith("--extra-index-url")]
    assert [line.endswith(index) for line in asked] == ([True] if index else [])


def test_processors_get_a_build_without_cuda() -> None:
    tables = load_cuda_tables()
    plain = replace(BASES["none"], torch="2.14.1")
    chosen = chosen_torch(plain, tables)
    assert chosen.requirement == "torch==2.14.1+cpu"
    assert chosen.index.endswith("/cpu")
    # On the default index the older builds for aarch64 are those.
    arm = chosen_torch(replace(plain, torch="2.10.0", machine="aarch64"), tables)
    assert (arm.requirement, arm.index) == ("torch==2.10.0", "")


def test_a_host_without_a_gpu_gets_one_for_processors_though_every_image_wants_a_gpu() -> None:
    folder = write(Host())
    assert "    torch==2.15.0+cpu \\" in text(folder).splitlines()
    assert "gcc" not in text(folder).partition("FROM ")[2].rpartition("FROM ")[0]
    assert "nvidia" not in text(folder, "compose.yaml") + text(folder, "kubernetes.yaml")
    assert any("--for driver=" in line for line in folder.found.lines)
    assert "torch==2.10.0+cpu" in text(write(Host(), "torch==2.10"))
    assert write(Host(), "torch==1.0").files == ()


def test_what_goes_with_a_build_of_torchs_own_index_is_looked_for_there() -> None:
    line = f"--extra-index-url {shipped()['torch']['index']}/cu126"
    assert line in text(write(OLDER), "requirements.txt").splitlines()
    assert "--extra-index-url" not in text(write(NEWER), "requirements.txt")


def test_who_writes_a_slim_folder_is_told_of_torch_and_of_the_host_that_it_is_for() -> None:
    said = "\n".join(write(NEWER).found.lines)
    assert "torch==2.15.0 (CUDA 13.2)" in said
    assert "driver 595" in said
    assert "no GPU" not in said


@pytest.mark.parametrize("base", ["amd", "intel", "none", "rocky"])
def test_bases_that_tell_no_torch_for_cuda_are_refused(base: str) -> None:
    with pytest.raises(UsageError, match="--slim"):
        chosen_torch(wished(base), load_cuda_tables())


def test_without_a_base_nothing_is_written_and_why_is_told() -> None:
    folder = write(NEWER, python={"3.12.1-slim-trixie": PLAIN})
    assert folder.files == ()
    assert any("library/python" in line for line in folder.found.lines)


def test_a_slim_image_is_started_with_the_gpus_of_the_host_that_it_is_for() -> None:
    # Its base was looked for without any.
    assert "nvidia" in text(write(NEWER), "compose.yaml")
    assert "nvidia.com/gpu" in text(write(NEWER), "kubernetes.yaml")


def test_everything_of_the_folder_is_there_to_read() -> None:
    folder = write(NEWER)
    parts = tomllib.loads(text(folder, "slim.toml"))["part"]
    assert all(part["paths"] and part["lost"] for part in parts)
    for name in ("slim.py", "stand_in.py", "check.py"):
        compile(text(folder, name), name, "exec")
        assert name in text(folder) or name == "check.py"


def test_table_of_parts_has_a_date_and_weights() -> None:
    table = shipped()
    assert table["torch"]["date"]
    rows = [*table["part"], *table["stand_in"]]
    assert len({row["name"] for row in rows}) == len(rows)
    for part in rows:
        assert len(part["mb"]) == 2, part["name"]


# ------------------------------------------------------------------ what takes out


def installed(root: Path) -> Path:
    """Lay out what pip would have: needed files, and one or more of each part."""
    packages = root / "usr/local/lib/python3.13/site-packages"
    for name in (
        *("torch/__init__.py", "torch/lib/libtorch.so", "torch/bin/torch_shm_manager"),
        *("torch/bin/protoc", "torch/bin/protoc-3", "torch/include/a/b.h", "torch/lib/x.a"),
        *("nvidia/cu13/lib/libcublas.so.13", "nvidia/cu13/lib/libcusolver.so.12"),
        *("nvidia/cu13/lib/libcusolverMg.so.12", "nvidia/cu13/include/cuda.h"),
        *("nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "nvidia/cuda_nvrtc/lib/libnvrtc.alt.so.12"),
        *("nvidia/cu13/lib/libcupti.so.13", "nvidia/cu13/lib/libnvperf_host.so"),
        "nvidia/nvshmem/lib/device_sm_90.bc",
        *("triton/__init__.py", "triton-3.9.0.dist-info/METADATA", "sympy/core/tests/test_a.py"),
        *("sympy/core/tests.py", "torch/__pycache__/x.pyc", "torch/testing/__init__.py"),
    ):
        path = packages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 1000)
    (packages / "nvidia/cu13/lib/link.so").symlink_to("libcublas.so.13")
    return packages


def taken_out(root: Path, data: Path, seconds: int = 315532800, code: int = 0) -> str:
    paths = map(str, (PROGRAMS / "slim.py", root / "rest", root / "libraries", data))
    words = [sys.executable, *paths, str(seconds)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "slim.toml"
    path.write_text(text(write(NEWER), "slim.toml"))
    return path


def left(root: Path) -> set[str]:
    files = (each for each in root.rglob("*") if not each.is_dir())
    names = {each.relative_to(root).as_posix().partition("-packages/")[2] for each in files}
    return names - {""}


def test_what_is_named_goes_and_the_rest_stays(tmp_path: Path, data: Path) -> None:
    installed(tmp_path / "rest")
    said = taken_out(tmp_path, data)
    assert left(tmp_path / "rest") == {
        *("torch/__init__.py", "torch/lib/libtorch.so", "torch/bin/torch_shm_manager"),
        *("torch/testing/__init__.py", "sympy/core/tests.py"),
    }
    # A layer of its own.
    assert left(tmp_path / "libraries") == {
        *("nvidia/cu13/lib/libcublas.so.13", "nvidia/cu13/lib/libcusolver.so.12"),
        *("nvidia/cuda_nvrtc/lib/libnvrtc.so.12", "nvidia/cu13/lib/libcupti.so.13"),
        "nvidia/cu13/lib/link.so",
    }
    for part in shipped()["part"]:
        assert f"gone: {part['name']}; lost: {part['lost']}" in said


def test_a_part_whose_row_is_gone_stays(tmp_path: Path, data: Path) -> None:
    installed(tmp_path / "rest")
    before, _, after = data.read_text().partition('[[part]]\nname = "triton"\n')
    data.write_text(before + after[after.index("[[part]]") :])
    assert "triton" not in taken_out(tmp_path, data)
    assert "triton/__init__.py" in left(tmp_path / "rest")


def test_a_row_that_says_too_little_is_named_before_anything_goes(
    tmp_path: Path, data: Path
) -> None:
    installed(tmp_path / "rest")
    before = left(tmp_path / "rest")
    data.write_text(data.read_text() + '\n[[part]]\nname = "mine"\npaths = ["torch/**"]\n')
    said = taken_out(tmp_path, data, code=1)
    assert said == "slim.toml: a row of part (mine) has no lost\n"
    assert left(tmp_path / "rest") == before


#: What torch is linked to, in small: C with versions, data, C++ that nobody outside calls.
LINKED = """\
long ncclCommCount(void) { return 7; }
const char *ncclGetErrorString(int code) { return "all is well"; }
int ncclTable[9] = {1};
long _Zinner(void) { return 1; }
"""
CALLER = """\
extern long ncclCommCount(void); extern const char *ncclGetErrorString(int);
long count(void) { return ncclCommCount(); }
const char *said(void) { return ncclGetErrorString(1); }
"""


@pytest.fixture
def linked(tmp_path: Path) -> tuple[Path, Path]:
    """An NCCL in its place, and a library that is linked to it."""
    if shutil.which("gcc") is None or shutil.which("readelf") is None:
        pytest.skip(lacks("system", "gcc with its binutils"))
    nccl = installed(tmp_path / "rest") / "nvidia/nccl/lib/libnccl.so.2"
    nccl.parent.mkdir(parents=True)
    (tmp_path / "versions").write_text("NCCL_2 { global: nccl*; _Z*; local: *; };\n")
    (tmp_path / "nccl.c").write_text(LINKED)
    (tmp_path / "caller.c").write_text(CALLER)
    caller = tmp_path / "caller.so"
    make = ("gcc", "-shared", "-fPIC")
    versions = ("-Wl,-soname,libnccl.so.2", f"-Wl,--version-script,{tmp_path / 'versions'}")
    subprocess.run([*make, "-o", nccl, tmp_path / "nccl.c", *versions], check=True)
    subprocess.run([*make, "-o", caller, tmp_path / "caller.c", nccl], check=True)
    return nccl, caller


ASK = """\
import ctypes, sys
caller = ctypes.CDLL(sys.argv[1])
caller.said.restype = ctypes.c_char_p
print(caller.count(), caller.said().decode())
"""


def asked(caller: Path, libraries: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ASK, caller],
        env={"LD_LIBRARY_PATH": str(libraries)},
        capture_output=True,
        text=True,
        check=False,
    )
    # A version that it lacks would be told here, too.
    return f"{done.stdout.strip()}\n{done.stderr.strip()}".strip()


def test_what_is_linked_to_is_replaced_by_what_answers_with_an_error(
    tmp_path: Path, data: Path, linked: tuple[Path, Path]
) -> None:
    nccl, caller = linked
    assert asked(caller, nccl.parent) == "7 all is well"
    said = taken_out(tmp_path, data)
    assert "gone: NCCL; lost: several GPUs at once" in said
    (made,) = (tmp_path / "libraries").rglob("libnccl.so.2")
    words = "this image has it not: slim.toml took it out"
    # Who gets numbers alone reads it once where errors are read.
    assert asked(caller, made.parent) == f"3 {words}\nlibnccl.so.2: {words}"
    names = subprocess.run(["nm", "-D", "-S", made], capture_output=True, text=True, check=True)
    assert "_Zinner" not in names.stdout
    assert "0000000000000024 B ncclTable@@NCCL_2" in names.stdout


def test_stand_ins_of_one_library_are_the_same_bytes(
    tmp_path: Path, data: Path, linked: tuple[Path, Path]
) -> None:
    nccl, _ = linked
    content, made = nccl.read_bytes(), []
    for name in ("one", "two"):
        shutil.copytree(tmp_path / "rest", tmp_path / name / "rest", symlinks=True)
        taken_out(tmp_path / name, data)
        (library,) = (tmp_path / name / "libraries").rglob("libnccl.so.2")
        made.append(library.read_bytes())
    assert made[0] == made[1] != content


def test_a_host_with_several_gpus_keeps_what_they_speak_by() -> None:
    several = Host(A100 * 2, "595.45.04", (13, 2))
    for host, kept in ((NEWER, True), (several, False)):
        table = tomllib.loads(text(write(host), "slim.toml"))
        assert ("NCCL" in [each["name"] for each in table["stand_in"]]) is kept
        assert "cuSPARSELt" in [each["name"] for each in table["stand_in"]]
        assert len(table["part"]) == len(shipped()["part"])


REQUIRES = b"""\
Metadata-Version: 2.4
Name: torch
Version: 2.15.0
Requires-Dist: filelock
Requires-Dist: Triton==3.9.0; platform_system == "Linux"
Requires-Dist: triton-extras
Provides-Extra: optree

Requires-Dist: triton
"""


def test_what_went_is_required_by_nobody_and_held_to_its_version(
    tmp_path: Path, data: Path
) -> None:
    # Else the next `pip install` of anything that is beside torch would bring it again.
    about = installed(tmp_path / "rest") / "torch-2.15.0.dist-info/METADATA"
    about.parent.mkdir()
    about.write_bytes(REQUIRES)
    taken_out(tmp_path, data)
    line = b'Requires-Dist: Triton==3.9.0; platform_system == "Linux"\n'
    assert about.read_bytes() == REQUIRES.replace(line, b"")
    held = tmp_path / "rest/usr/local/share/taken-out.txt"
    assert held.read_text() == "triton==3.9.0\n"


def test_torch_is_as_it_came_where_triton_stays(tmp_path: Path, data: Path) -> None:
    data.write_text("part = []\nstand_in = []\n")
    about = installed(tmp_path / "rest") / "torch-2.15.0.dist-info/METADATA"
    about.parent.mkdir()
    about.write_bytes(REQUIRES)
    taken_out(tmp_path, data)
    assert about.read_bytes() == REQUIRES
    assert (tmp_path / "rest/usr/local/share/taken-out.txt").read_text() == ""


def test_libraries_move_to_another_file_system_links_and_all(tmp_path: Path, data: Path) -> None:
    # As in an engine that keeps each step's files in a layer of its own: no rename leads there.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        if Path(memory).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip(lacks("system", "a second file system"))
        installed(tmp_path / "rest")
        with pytest.raises(OSError, match="cross-device"):
            tmp_path.joinpath("rest").rename(Path(memory) / "rest")
        (tmp_path / "libraries").symlink_to(memory)
        taken_out(tmp_path, data)
        assert not list((tmp_path / "rest").rglob("libcublas*"))
        (link,) = Path(memory).rglob("link.so")
        assert link.is_symlink()
        assert link.read_bytes() == b"x" * 1000


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_rights_are_the_same_under_every_umask(tmp_path: Path, data: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        packages = installed(tmp_path / "rest")
        program = packages / "torch/bin/torch_shm_manager"
        program.chmod(program.stat().st_mode | (0o111 & ~umask))
        taken_out(tmp_path, data)
    finally:
        os.umask(before)
    for root in (tmp_path / "rest", tmp_path / "libraries"):
        for each in (root, *root.rglob("*")):
            whole = each.is_dir() or each == program
            assert each.is_symlink() or each.stat().st_mode & 0o7777 == (0o755 if whole else 0o644)


def test_everything_has_one_time_folders_and_links_too(tmp_path: Path, data: Path) -> None:
    installed(tmp_path / "rest")
    taken_out(tmp_path, data, 1_700_000_000)
    for root in (tmp_path / "rest", tmp_path / "libraries"):
        for each in (root, *root.rglob("*")):
            assert os.lstat(each).st_mtime == 1_700_000_000, each


def test_a_build_for_processors_has_no_libraries_to_move(tmp_path: Path, data: Path) -> None:
    packages = tmp_path / "rest/usr/local/lib/python3.13/dist-packages"
    (packages / "torch").mkdir(parents=True)
    taken_out(tmp_path, data)
    assert left(tmp_path / "libraries") == set()


def test_a_build_is_sent_what_its_stages_copy() -> None:
    folder = write(NEWER)
    sent = text(folder, ".dockerignore").splitlines()
    copied = [
        name
        for line in text(folder).splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    ]
    assert {"slim.py", "slim.toml", "start.py"} <= set(copied)
    assert [f"!{name}" for name in copied if f"!{name}" not in sent] == []
