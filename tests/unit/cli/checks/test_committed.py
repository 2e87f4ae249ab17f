"""What counts as a gateway's address in a file, or as a pin that installs here alone."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from headrace.cli import main
from headrace.cli.checks.committed import builds_pinned, committed, gateways_named
from headrace.cli.context import Context
from lib.capabilities import lacks

PORT = 17223
HEX = "ef/49/dda2dbce8193706250f27be11e3c504269008c355397e1b3437e420127e2"


@pytest.mark.parametrize(
    "text",
    [
        f"--index-url http://127.0.0.1:{PORT}/simple/",
        f"--index-url http://localhost:{PORT}/simple",
        f"# from http://[::1]:{PORT}/simple/",
        f"http://127.0.0.1:{PORT}",
        f'"http://127.0.0.1:{PORT}"',
        "--index-url http://headrace:a-token@127.0.0.1:41234/simple/",
        "--index-url http://headrace@127.0.0.1:41234/simple/",
        f'url = "http://127.0.0.1:41234/packages/{HEX}/app-1.0-py3-none-any.whl"',
        f'url = "http://127.0.0.1:41234/index/uv/packages/{HEX}/app-1.0-py3-none-any.whl"',
        "http://127.0.0.1:41234/files/app/0123456789abcdef/app-1.0.zip",
        f"HTTP://LOCALHOST:{PORT}/v2/",
    ],
)
def test_gateway_is_found_and_its_token_not_repeated(text: str) -> None:
    content = f"first line\n{text}\nlast line\n".encode()
    ((line, what),) = gateways_named(content, {PORT})
    assert line == 2
    assert "a-token" not in what


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8080/simple/",
        f"http://127.0.0.1:{PORT}0/simple/",
        "http://localhost:3141/root/pypi/+simple/",
        f"https://index.example:{PORT}/simple/",
        f"http://127.0.0.1.example:{PORT}/simple/",
        f"https://files.example/packages/{HEX}/app-1.0-py3-none-any.whl",
        f"port = {PORT}",
    ],
)
def test_what_is_nobodys_gateway_is_not_found(text: str) -> None:
    assert list(gateways_named(text.encode(), {PORT})) == []


LOCK = """[[packages]]
name = "torch"
version = "2.14.1+cu126"
"""
WHEEL = "torch-2.14.1%2Bcu126-cp312-cp312-manylinux_2_28_x86_64.whl"


@pytest.mark.parametrize(
    ("text", "line", "pin"),
    [
        ("numpy==2.4\ntorch==2.14.1+cu126\n", 2, "torch==2.14.1+cu126"),
        ("torch[opt] == 2.14.1+cu126 ; python_version > '3.9'", 1, "torch==2.14.1+cu126"),
        ("torch===2.14.1+cpu  # by hand", 1, "torch==2.14.1+cpu"),
        ("dependencies:\n  - pip:\n    - torch==2.14.1+rocm6.4\n", 3, "torch==2.14.1+rocm6.4"),
        ('dependencies = ["torch==2.14.1+xpu"]', 1, "torch==2.14.1+xpu"),
        ("RUN pip install torch==2.14.1+cu126 numpy", 1, "torch==2.14.1+cu126"),
        (LOCK, 3, "2.14.1+cu126"),
        ('"torch": {"version": "==2.14.1+cu126"}', 1, "2.14.1+cu126"),
        ("torch==2.16.0.dev20261101+cu140", 1, "torch==2.16.0.dev20261101+cu140"),
        # Another label's index is no help.
        (
            "--extra-index-url https://indexes.example/whl/cu128\ntorch==2.14.1+cu126",
            2,
            "torch==2.14.1+cu126",
        ),
    ],
)
def test_build_that_the_default_index_lacks_is_found(text: str, line: int, pin: str) -> None:
    ((at, told, label),) = builds_pinned(text.encode())
    assert (at, told) == (line, pin)
    assert pin.endswith(f"+{label}")


@pytest.mark.parametrize(
    "text",
    [
        "torch==2.14.1",
        "app==1.0+local",
        "app==1.0+customcu126",
        "app==1.0+cu126local",
        "vendor==1.0+nv26.1",
        "we took 2.14.1+cu126 there",
        "torch>=2.14.1+cu126",
        # An index that has it is named, or the very file.
        "--extra-index-url https://indexes.example/whl/cu126\ntorch==2.14.1+cu126",
        f'{LOCK}wheels = [{{ url = "https://indexes.example/whl/cu126/{WHEEL}" }}]',
        f'{LOCK}source = {{ registry = "https://indexes.example/whl/cu126" }}',
        f"torch @ https://indexes.example/whl/cu126/{WHEEL}",
    ],
)
def test_what_installs_everywhere_is_not_found(text: str) -> None:
    assert list(builds_pinned(text.encode())) == []


def test_looking_for_builds_costs_what_a_file_is_long() -> None:
    assert len(list(builds_pinned(b"torch==1+cpu\n" * 100_000))) == 2000
    assert list(builds_pinned(b"1.1" * 1_000_000 + b"+cpu")) == []


def test_a_pinned_build_is_a_note_and_stops_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "headrace"))
    frozen, prose = tmp_path / "requirements.txt", tmp_path / "README.md"
    frozen.write_text("torch==2.14.1+cu126\ntorchvision==0.29.1+cu126\n")
    prose.write_text("We froze `torch==2.14.1+cu126`.\n")
    assert main(["doctor", "--json", "--committed", str(frozen), str(prose)]) == 0
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["level"] == "note"
    assert f"{frozen}:1 pins torch==2.14.1+cu126 (and 1 more such pin)" in finding["text"]
    assert "without +cu126" in finding["hint"]


@pytest.mark.skipif(shutil.which("git") is None, reason=lacks("engines", "git is not here"))
def test_headraces_own_checkout_is_no_project_that_names_a_gateway_by_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "-q"], check=True)
    (tmp_path / "notes.md").write_text(f"http://127.0.0.1:{PORT}/simple/\n")
    inner = tmp_path / "vendored"
    inner.mkdir()
    (inner / "pyproject.toml").write_text('[project]\nname = "headrace"\n')
    project = tmp_path / "pyproject.toml"

    def level() -> set[str]:
        return {each.level for each in committed(Context({"HEADRACE_HOME": str(tmp_path / "h")}))}

    assert level() == {"failure"}, "a copy of it inside another project is not that project"
    for text in ('[project]\nname = "mine"\n', "", "project = 1\n", "no = [toml"):
        project.write_text(text)
        assert level() == {"failure"}
    project.write_text('[project]\nname = "headrace"\n')
    assert level() == {"ok"}
