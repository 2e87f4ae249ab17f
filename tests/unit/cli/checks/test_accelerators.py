"""What the doctor says of what decides builds otherwise than the host does."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.cli.checks.accelerators import accelerators, decided_otherwise
from headrace.cli.context import Context
from headrace.cli.explaining import builds
from headrace.interface.hookspecs import Scope
from headrace.variants.hosts import Accelerator, Host, Situation
from lib.gpu.variant_listing import TABLES


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
