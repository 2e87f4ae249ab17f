"""``headrace open``: the way to the live page, and what is said where there is none."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lib.gateway import Gateway, headrace
from lib.index import Index
from lib.serving.ports import free_port
from lib.serving.servers import RecordingServer


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """One that `on` would have recorded."""
    with RecordingServer(name="origin") as origin:
        Index().mount_origin(origin)
        with Gateway(tmp_path / "gateway", origins=[f"{origin.url}/simple"]) as made:
            record(made, made.port)
            yield made


def record(gateway: Gateway, port: int) -> None:
    place = gateway.root / "state" / "gateway.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps({"host": "127.0.0.1", "port": port, "kept_up_by": ""}), "utf-8")
    place.chmod(0o600)


def run(gateway: Gateway, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run it where no browser is but the one that `env` names."""
    return subprocess.run(
        [*headrace(), "open", *words],
        env={**gateway.env, "BROWSER": "/nonexistent", **env},
        capture_output=True,
        text=True,
        check=False,
        cwd=gateway.root,
    )


def opens(gateway: Gateway, url: str) -> int:
    """Do what the page does with the code in its address."""
    parts = urlsplit(url)
    assert (parts.hostname, parts.port, parts.path) == ("127.0.0.1", gateway.port, "/live/")
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port)
    code = parts.fragment.removeprefix("code=")
    connection.request("POST", "/live/enter", headers={"X-Headrace-Code": code})
    status = connection.getresponse().status
    connection.close()
    return status


def test_url_is_printed_alone_and_opens_the_page_once(gateway: Gateway) -> None:
    done = run(gateway, "--url")
    (url,) = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert [opens(gateway, url), opens(gateway, url)] == [200, 403]


def test_the_browser_is_given_the_address(gateway: Gateway, tmp_path: Path) -> None:
    given = tmp_path / "given"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {given}\n', "utf-8")
    browser.chmod(0o755)
    done = run(gateway, BROWSER=f"{browser} %s", DISPLAY=":0")
    assert (done.returncode, done.stdout) == (0, "the live page is open in your browser\n")
    assert opens(gateway, given.read_text("utf-8").strip()) == 200


def test_over_ssh_it_says_how_the_page_comes_to_the_other_machine(gateway: Gateway) -> None:
    done = run(gateway, SSH_CONNECTION="192.0.2.1 50000 192.0.2.2 22")
    assert done.returncode == 0
    tunnel, url = (line.strip() for line in done.stdout.splitlines() if line.startswith("    "))
    assert tunnel.startswith(f"ssh -N -L {gateway.port}:127.0.0.1:{gateway.port} ")
    assert opens(gateway, url) == 200
    told = json.loads(run(gateway, "--json", SSH_TTY="/dev/pts/0").stdout)
    assert (told["opened"], told["tunnel"]) == (False, tunnel)


def test_where_no_browser_starts_the_address_is_told(gateway: Gateway) -> None:
    done = run(gateway, PATH=os.defpath if not Path("/usr/bin/www-browser").exists() else "")
    assert done.returncode == 0
    assert opens(gateway, done.stdout.split()[-1]) == 200


def test_json_names_the_address_and_opens_nothing(gateway: Gateway) -> None:
    told = json.loads(run(gateway, "--json").stdout)
    assert (told["opened"], told["tunnel"]) == (False, None)
    assert opens(gateway, told["url"]) == 200


def test_a_lasting_token_is_no_part_of_the_address(gateway: Gateway) -> None:
    token = gateway.root / "state" / "token"
    token.write_text(json.dumps("t0k-t0k-t0k"), "utf-8")
    token.chmod(0o600)
    assert "t0k" not in run(gateway, "--url").stdout


@pytest.mark.parametrize("how", ["none", "down", "taken"])
def test_where_there_is_no_gateway_it_says_whose_fault_it_is_and_what_next(
    tmp_path: Path, how: str
) -> None:
    gateway = Gateway(tmp_path / "gateway", port=free_port())
    if how != "none":
        record(gateway, gateway.port)
    if how == "taken":
        with RecordingServer(name="somebody") as other:
            record(gateway, other.port)
            done = run(gateway)
    else:
        done = run(gateway)
    said = {"none": "there is no gateway", "down": "is down", "taken": "is"}[how]
    assert done.returncode == 1
    assert said in done.stderr
    assert "whose fault: this machine" in done.stderr
    assert "`headrace " in done.stderr
    assert done.stdout == ""
