"""How this headrace was installed, by what each installer leaves; and the commands for that."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import site
import sys
from pathlib import Path

import pytest

from headrace.cli import main
from headrace.cli.mending import installed
from headrace.cli.mending.installed import InstalledPackage, as_typed


def look(root: Path, *, url: str = "", by: str = "pip", editable: bool = False) -> InstalledPackage:
    """Look at an environment at `root`, into which `by` put it from `url`."""
    info = root / "lib" / "headrace-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: headrace\nVersion: 1.0\n")
    (info / "INSTALLER").write_text(f"{by}\n")
    if url:
        told = {"url": url, "dir_info": {"editable": True} if editable else {}}
        (info / "direct_url.json").write_text(json.dumps(told))
    return installed.look(root, importlib.metadata.Distribution.at(info))


def told(found: InstalledPackage) -> tuple[str, str, list[str]]:
    return found.by, as_typed(found.remove), [as_typed(words) for words in found.renew]


def test_what_has_its_installers_own_file(tmp_path: Path) -> None:
    (tmp_path / "pipx_metadata.json").touch()
    assert told(look(tmp_path)) == ("pipx", "pipx uninstall headrace", ["pipx upgrade headrace"])
    (tmp_path / "pipx_metadata.json").rename(tmp_path / "uv-receipt.toml")
    renew = ["uv tool upgrade headrace"]
    assert told(look(tmp_path, by="uv")) == ("uv tool", "uv tool uninstall headrace", renew)


def test_what_came_from_a_folder_is_renewed_from_there(tmp_path: Path) -> None:
    source = tmp_path / "a checkout"
    (source / ".git").mkdir(parents=True)
    url = source.as_uri()
    (tmp_path / "pipx_metadata.json").touch()
    pull = f"git -C '{source}' pull"
    assert told(look(tmp_path, url=url))[2] == [pull, f"pipx install --force '{source}'"]
    assert told(look(tmp_path, url=url, editable=True))[2] == [pull]
    (tmp_path / "pipx_metadata.json").unlink()
    (source / ".git").rmdir()
    assert told(look(tmp_path, url=url))[2] == [f"{sys.executable} -m pip install '{source}'"]


def test_pips_in_an_environment_of_condas_says_what_goes_on_waking(tmp_path: Path) -> None:
    (tmp_path / "conda-meta").mkdir()
    found = look(tmp_path)
    assert found.by == "pip in conda's environment"
    assert found.wakes
    assert as_typed(found.remove) == f"{sys.executable} -m pip uninstall headrace"


def test_pips_for_one_user_is_renewed_for_that_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(tmp_path / "lib"))
    found = look(tmp_path)
    assert found.by == "pip --user"
    assert as_typed(found.renew[0]) == f"{sys.executable} -m pip install --user --upgrade headrace"


def test_uvs_is_removed_by_uv_where_no_pip_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    found = look(tmp_path, by="uv")
    assert as_typed(found.remove) == f"uv pip uninstall --python {sys.executable} headrace"


def test_a_folder_that_nobody_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def none(_: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "distribution", none)
    assert main(["self"]) == 0
    assert main(["self", "update"]) == 0
    out = capsys.readouterr().out
    assert "of a folder and not installed" in out
    assert "is no installation" in out
