"""What was found is found once, until something that bears on it changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from headrace.system.accelerators import detection
from headrace.system.accelerators.cache import Cache
from headrace.system.accelerators.detection import detect
from headrace.variants.hosts import Host
from lib.gpu.hosts import Box

BOOT = "/proc/sys/kernel/random/boot_id"


class Counted:
    """Counts how often a host is really looked at."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks = 0
        look = detection._look

        def counted(*arguments: object) -> tuple[Host, bool]:
            self.looks += 1
            return look(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(detection, "_look", counted)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.fixture
def gpu(box: Box) -> Box:
    """A host with one GPU, which nvidia-smi tells of."""
    box.file(BOOT, "11111111-2222\n").driver("550.54.15", "NVIDIA A100")
    return box.program("nvidia-smi", "echo 'NVIDIA A100, 8.0, 550.54.15, 81920 MiB'")


def test_a_second_look_at_the_same_host_reads_a_file(
    gpu: Box, tmp_path: Path, counted: Counted
) -> None:
    first = detect(gpu.see(), cache=tmp_path)
    assert detect(gpu.see(), cache=tmp_path) == first
    assert counted.looks == 1
    assert first.accelerators[0].capability == (8, 0)
    (file,) = (tmp_path / "accelerators").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "change",
    [
        lambda box: box.file(BOOT, "33333333-4444\n"),
        lambda box: box.driver("580.95.05", "NVIDIA A100"),
        lambda box: box.file("/dev/nvidia1"),
        lambda box: box.pci("0000:05:00.0", 0x10DE, 0x20B2),
        lambda box: box.kfd(1, gfx_target_version=110000),
        lambda box: box.file("/.dockerenv"),
        lambda box: box.file("/etc/ld.so.cache", "a library more"),
        lambda box: box.file("/etc/nv_tegra_release", "# R36"),
        lambda box: box.program("sbatch", ""),
        lambda box: box.env.update(LD_LIBRARY_PATH="/opt/cuda-compat"),
        lambda box: box.env.update(SLURM_JOB_ID="17"),
        lambda box: box.env.update(CUDA_VERSION="12.8"),
        lambda box: (box.root / "bin" / "nvidia-smi").unlink(),
    ],
    ids=["reboot", "driver update", "new device", "new card", "AMD's card", "container",
         "new library", "board", "batch system", "library path", "job", "image", "no nvidia-smi"],
)  # fmt: skip
def test_a_host_that_changed_is_looked_at_anew(
    gpu: Box, tmp_path: Path, counted: Counted, change: Callable[[Box], object]
) -> None:
    detect(gpu.see(), cache=tmp_path)
    change(gpu)
    detect(gpu.see(), cache=tmp_path)
    assert counted.looks == 2
    detect(gpu.see(), cache=tmp_path)
    assert counted.looks == 2


def test_a_variable_that_does_not_bear_on_it_changes_nothing(
    gpu: Box, tmp_path: Path, counted: Counted
) -> None:
    detect(gpu.see(), cache=tmp_path)
    detect(gpu.see(EDITOR="vi", VIRTUAL_ENV="/x", CUDA_VISIBLE_DEVICES="0"), cache=tmp_path)
    assert counted.looks == 1


def test_an_override_neither_looks_nor_keeps(gpu: Box, tmp_path: Path, counted: Counted) -> None:
    assert detect(gpu.see(CONDA_OVERRIDE_CUDA="12.4"), cache=tmp_path).target
    assert counted.looks == 0
    assert not (tmp_path / "accelerators").exists()
    assert not detect(gpu.see(), cache=tmp_path).target
    assert detect(gpu.see(CONDA_OVERRIDE_CUDA_ARCH="9.0"), cache=tmp_path).target
    assert not detect(gpu.see(), cache=tmp_path).target


def test_an_answer_that_may_soon_be_another_is_kept_for_minutes(
    gpu: Box, tmp_path: Path, counted: Counted
) -> None:
    now = [1_000_000.0]
    cache = Cache(tmp_path, lambda: now[0])
    gpu.program("nvidia-smi", "exec sleep 60")
    see = replace(gpu.see(PATH="/usr/bin:/bin"), timeout=1.0)
    for later, looks in ((0, 1), (500, 1), (200, 2)):
        now[0] += later
        detect(see, cache=cache)
        assert counted.looks == looks


def test_a_whole_answer_is_kept_for_long_where_the_boot_is_known(
    gpu: Box, tmp_path: Path, counted: Counted
) -> None:
    now = [1_000_000.0]
    cache = Cache(tmp_path, lambda: now[0])
    detect(gpu.see(), cache=cache)
    now[0] += 30 * 86400
    detect(gpu.see(), cache=cache)
    assert counted.looks == 1
    (gpu.root / BOOT.lstrip("/")).unlink()
    detect(gpu.see(), cache=cache)
    now[0] += 2 * 86400
    detect(gpu.see(), cache=cache)
    assert counted.looks == 3, "without a boot id for a day"


@pytest.mark.parametrize(
    "junk",
    [b"", b"{", b"[]", b"null", b"\xff\x00", b'{"written": 0, "until": 9e99, "host": {}}',
     b'{"written": 9e99, "until": 9e99, "host": {}}', b'{"written": "x"}', b"[" * 100_000],
)  # fmt: skip
def test_a_broken_file_is_as_none_and_is_written_anew(
    gpu: Box, tmp_path: Path, counted: Counted, junk: bytes
) -> None:
    first = detect(gpu.see(), cache=tmp_path)
    (file,) = (tmp_path / "accelerators").iterdir()
    file.write_bytes(junk)
    assert detect(gpu.see(), cache=tmp_path) == first
    assert counted.looks == 2
    assert json.loads(file.read_bytes())["host"]["driver"] == "550.54.15"


def test_a_folder_that_cannot_be_written_is_no_error(gpu: Box, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert detect(gpu.see(), cache=tmp_path / "file").driver == "550.54.15"


def test_old_files_are_taken_away(gpu: Box, tmp_path: Path) -> None:
    for boot in range(20):
        detect(gpu.file(BOOT, f"boot {boot}").see(), cache=tmp_path)
    assert len(list((tmp_path / "accelerators").iterdir())) == 16
