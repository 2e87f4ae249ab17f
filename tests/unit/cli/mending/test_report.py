"""The report of a fault: what is in it, what is not, and that it is shown before it is written."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from headrace.cli import main
from headrace.cli.context import Context
from headrace.cli.mending import report
from headrace.interface.hookspecs import DiscoveredOrigin, Finding, GatewayAddress
from headrace.models import Credential, Origin


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    home = tmp_path / "homes" / "berenice"
    (home / ".docker").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    for name in ("HEADRACE_CONFIG", "HEADRACE_PORT", "SUDO_UID", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HEADRACE_HOME", str(home / "headrace"))
    (home / "headrace" / "config").mkdir(parents=True)
    return {**os.environ, "PATH": ""}


@pytest.fixture
def secrets(env: dict[str, str]) -> list[str]:
    """Put one of each kind that headrace reads where it stands, and all into the log."""
    home = Path(env["HOME"])
    context = Context(env)
    context.state.record_gateway(GatewayAddress("127.0.0.1", 9), "holder")
    token, secret = context.state.ensure_token(), context.state.ensure_secret()
    index = Origin("python", "https://index.corp.example/simple", private=True)
    context.state.record_origins(
        [DiscoveredOrigin(index, "pip.conf", Credential("berenice-ci", "of-the-origin"))]
    )
    context.state.record_network({"HTTPS_PROXY": "http://proxy:of%2Dthe%2Dproxy@gate.corp.example"})
    env["HEADRACE_TARGET"] = "berenice"
    env["PIP_INDEX_URL"] = "https://u:of-a-variable@index.corp.example/simple"
    env["ACME_TOKEN"] = "of-another-variable"
    (home / ".netrc").write_text("machine a.example login b password of-the-netrc\n", "utf-8")
    mirror = '[[mirror]]\nid = "own"\necosystem = "python"\nlayout = "packages"\n'
    mirror += 'url = "https://intranet/pypi?key=of-the-mirror"\n'
    (home / "headrace" / "config" / "config.toml").write_text(mirror, "utf-8")
    pair = base64.b64encode(b"berenice-ci:of-the-origin").decode()
    kept = ["of-the-origin", "of-the-proxy", "of%2Dthe%2Dproxy", "of-a-variable", "of-the-mirror"]
    kept += ["of-another-variable", "of-the-netrc", token, secret, pair]
    log = context.folders.state / "gateway.log"
    lines = [f"headrace: WARNING: something met {each} and went on" for each in kept]
    lines += [
        'headrace: {"auth": "bm90IGtub3duOnNlY3JldA=="}',
        "headrace: Authorization: Bearer xyz1",
    ]
    lines += ["headrace: no address for wiki.corp.example, /home/claudius/x, intranet, 10.1.2.3"]
    lines += [f"headrace: {home}/headrace/state is full", "~~~~", "# the end"]
    log.write_text("\n".join(lines), "utf-8")
    return [
        *kept,
        "bm90IGtub3duOnNlY3JldA",
        "xyz1",
        "claudius",
        "berenice",
        "corp.example",
        "10.1.2.3",
    ]


def test_nothing_that_is_nobodys_business_is_in_it(env: dict[str, str], secrets: list[str]) -> None:
    findings = [
        Finding("origin", "failure", "https://index.corp.example/simple: refused", "ask berenice"),
        Finding("disk", "ok", "fine"),
    ]
    text = report.compose(Context(env), findings)
    assert not [each for each in (*secrets, "intranet") if each in text], text
    assert "failure origin: https://private-" in text
    assert "fine" not in text
    assert "~/headrace/state is full" in text
    assert "version: " in text
    # A log opens and closes no block of the document's.
    assert text.count("~~~~") == 2 * 7


def test_it_is_shown_and_written_where_that_is_said(
    env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    del env
    path, words = tmp_path / "report.md", ["doctor", "--committed", os.devnull, "--report"]
    assert main([*words, str(path)]) == 3
    told = capsys.readouterr()
    assert told.out.startswith("# A report on headrace")
    assert told.out.endswith("Nothing was written: `--yes` does that.\n")
    assert not path.exists()
    assert main([*words, str(path), "--yes"]) == 0
    told = capsys.readouterr()
    assert told.out == path.read_text("utf-8") + f"The report is in {path}.\n"
    if os.name != "nt":
        assert path.stat().st_mode & 0o777 == 0o600
    assert main([*words, str(path), "--yes"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["report"].startswith("# A report on headrace")
    assert main([*words, "--fix"]) == 2
