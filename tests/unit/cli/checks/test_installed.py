"""What is read of an environment's files, and not imported."""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import pytest

from headrace.cli.checks.installed import Installed, InstalledFamily, environments, family_in
from headrace.cli.context import Context
from headrace.interface.hookspecs import Scope
from lib import wheels
from lib.gpu.variant_listing import TABLES

SITE = "lib/python3.12/site-packages"
LINUX = "cp312-cp312-manylinux_2_28_x86_64"


def put(prefix: Path, text: str, project: str = "torch", site: str = SITE) -> None:
    file = prefix / site / project / "version.py"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def unpack(built: wheels.Built, prefix: Path, site: str = SITE) -> None:
    for name, content in built.files().items():
        file = prefix / site / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


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
    lead = Installed("torch", version, label)
    assert family_in(tmp_path, TABLES) == InstalledFamily(tmp_path, "3.12", lead)


def test_whole_family_is_read_with_what_each_requires_of_the_lead(tmp_path: Path) -> None:
    unpack(wheels.wheel("torch", "2.15.0", tag=LINUX), tmp_path)
    put(tmp_path, "__version__ = '2.15.0+cu132'\ncuda: Optional[str] = '13.2'\n")
    needs = ["numpy", "torch (==2.14.1)", "torch; extra == 'tests'"]
    unpack(wheels.wheel("torchvision", "0.29.1", needs, tag=LINUX), tmp_path)
    put(tmp_path, "__version__ = '0.29.1+cu126'\n", "torchvision")
    unpack(wheels.wheel("torchtune", "0.6.1", ["torch>=2.4"]), tmp_path)
    unpack(wheels.wheel("flash-attn", "2.8.3+cu12torch2.8", ["torch"], tag=LINUX), tmp_path)
    unpack(wheels.wheel("numpy", "2.4.0"), tmp_path)
    there = family_in(tmp_path, TABLES)
    assert there is not None
    assert there.lead == Installed("torch", "2.15.0", "cu132", recorded="2.15.0")
    assert [(e.project, e.name, e.requires, e.plain, e.recorded) for e in there.others] == [
        ("flash-attn", "2.8.3+cu12torch2.8", "", False, "2.8.3+cu12torch2.8"),
        ("torchtune", "0.6.1", ">=2.4", True, "0.6.1"),
        ("torchvision", "0.29.1+cu126", "==2.14.1", False, "0.29.1"),
    ]


def test_records_that_say_nothing_are_passed_over(tmp_path: Path) -> None:
    for name in ("torch-.dist-info", "torch-two.dist-info", "torch.dist-info", "-1.dist-info"):
        (tmp_path / SITE / name).mkdir(parents=True)
    record = tmp_path / SITE / "torchvision-0.29.1.dist-info"
    record.mkdir()
    (record / "METADATA").write_bytes(b"\xff\xfe\nRequires-Dist: torch (((\n\n")
    (record / "WHEEL").mkdir()
    there = family_in(tmp_path, TABLES)
    assert there is not None
    assert there.lead is None
    assert there.others == (Installed("torchvision", "0.29.1", recorded="0.29.1"),)


def test_nothing_is_installed(tmp_path: Path) -> None:
    assert family_in(tmp_path, TABLES) is None


def test_environment_that_is_active_is_looked_at_and_what_it_builds_upon(tmp_path: Path) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    site = f"lib/python{version}/site-packages"
    made = tmp_path / "venv"
    venv.create(made, system_site_packages=True)
    file = made / "pyvenv.cfg"
    base = tmp_path / "base"
    lines = file.read_text().splitlines()
    homes = [f"home = {base / 'bin'}" if each.startswith("home") else each for each in lines]
    file.write_text("\n".join(homes))
    unpack(wheels.wheel("torch", "2.14.1+cu126"), base, site)
    unpack(wheels.wheel("torchvision", "0.29.1+cu126"), made, site)
    env = {"HEADRACE_HOME": str(tmp_path), "VIRTUAL_ENV": str(made), "PATH": str(tmp_path)}
    found = list(environments(Context(env, Scope.USER), TABLES))
    assert [(each.prefix, each.python) for each in found] == [(made, version), (base, version)]
