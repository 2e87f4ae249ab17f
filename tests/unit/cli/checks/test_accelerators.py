"""What the doctor makes of a torch that is installed, and of the GPU and driver beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.cli.checks.accelerators import (
    Installed,
    accelerators,
    decided_otherwise,
    installed,
    judged,
)
from headrace.cli.context import Context
from headrace.cli.explaining import builds
from headrace.interface.hookspecs import Scope
from headrace.variants.hosts import Accelerator, Host, Situation
from lib.gpu.variant_listing import TABLES

A100 = Host((Accelerator("nvidia", "NVIDIA A100", (8, 0)),), "550.54.15", libc=(2, 36))
V100 = Host((Accelerator("nvidia", "Tesla V100", (7, 0)),), "580.95.05", libc=(2, 36))


def put(prefix: Path, text: str) -> None:
    file = prefix / "lib" / "python3.12" / "site-packages" / "torch" / "version.py"
    file.parent.mkdir(parents=True)
    file.write_text(text)


@pytest.mark.parametrize(
    ("text", "version", "label"),
    [
        ("__version__ = '2.15.0+cu132'\ncuda: Optional[str] = '13.2'\n", "2.15.0", "cu132"),
        # The default index's wheels bear no label; what they were made with stands beside.
        ("__version__ = '2.10.0'\ncuda = '12.8'\n", "2.10.0", "cu128"),
        ("__version__ = '2.10.0+cpu'\ncuda: Optional[str] = None\n", "2.10.0", "cpu"),
    ],
)
def test_what_is_installed_is_read_and_not_imported(
    tmp_path: Path, text: str, version: str, label: str
) -> None:
    put(tmp_path, f"raise SystemExit('imported')\n{text}")
    assert installed(tmp_path, "torch") == Installed(tmp_path, "3.12", version, label)


def test_nothing_is_installed(tmp_path: Path) -> None:
    assert installed(tmp_path, "torch") is None


@pytest.mark.parametrize(
    ("build", "host", "level", "said"),
    [
        (("2.14.1", "cu126"), A100, "ok", "runs on what is here"),
        (("2.15.0", "cu132"), A100, "warning", "needs driver >= 580"),
        (("2.15.0", "cu132"), V100, "warning", "sm_70"),
        (("2.15.0", "cpu"), A100, "warning", ""),
        (("2.15.0", "cpu"), Host(), "note", "no accelerator"),
    ],
)
def test_build_is_compared_with_the_driver_and_the_gpus(
    build: tuple[str, str], host: Host, level: str, said: str
) -> None:
    finding = judged(Installed(Path("/venv"), "3.12", *build), host, TABLES)
    assert finding.level == level, finding
    assert said in finding.text, finding
    if level == "warning":
        assert "2.14.1+cu126" in finding.hint, finding


@pytest.mark.parametrize(
    ("settings", "env", "said"),
    [
        ('target = "driver=new"', {}, ["config.toml: target = 'driver=new'"]),
        ("", {"HEADRACE_CUDA": "newest"}, ["HEADRACE_CUDA = 'newest'"]),
        ('target = "driver=580,gpu=V100"', {}, []),
    ],
)
def test_what_decides_otherwise_and_cannot_be_read_is_a_failure(
    tmp_path: Path, settings: str, env: dict[str, str], said: list[str]
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text(settings)
    context = Context({"HEADRACE_HOME": str(tmp_path), **env}, Scope.USER)
    found = list(decided_otherwise(context, Host(), TABLES))
    assert [each.level for each in found] == ["failure"] * len(said)
    assert all(words in each.text for each, words in zip(found, said, strict=True))


def test_a_gpu_that_could_not_be_asked_is_told_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = Accelerator("nvidia", "Tesla V100-SXM2-16GB")
    closed = Host((gpu,), "580.95.05", situation=Situation.UNREADABLE, notes=("reboot",))
    monkeypatch.setattr(builds, "found", lambda _: closed)
    first = next(iter(accelerators(Context({"HEADRACE_HOME": str(tmp_path)}, Scope.USER))))
    assert first.level == "warning"
    assert first.text.startswith("sm_70 (Tesla V100-SXM2-16GB), driver 580.95.05")
    assert first.hint.startswith("reboot; what Tesla V100-SXM2-16GB is capable of is told by its")
