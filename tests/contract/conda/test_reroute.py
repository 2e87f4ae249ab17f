"""The handler by itself, in the base's own python: which request becomes which."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from lib.clients import ALL
from lib.conda.clients import Base, Conda, chosen_bases, find_base, no_base
from lib.conda.world import inside_alone
from lib.serving.ports import free_port
from lib.serving.servers import RecordingServer
from lib.waiting import HANG

BASES = {base.version: base for base in chosen_bases()}
TOKEN = "tk-0123456789-abcdef"
CLOUD = "https://conda.anaconda.org"
FILE = "noarch/repodata.json"

pytestmark = pytest.mark.skipif(find_base() is None, reason=no_base())

_SCRIPT = """
import json, sys
import requests
from conda.base.context import context, reset_context

reset_context()
from headrace_conda_inside.reroute import Reroute

found = []
for url, method in json.loads(sys.argv[1]):
    request = requests.Request(method, url, headers={"X-Kept": "1"}).prepare()
    out = Reroute("channel")(request)
    found.append([out.url, dict(out.headers)])
print(json.dumps(found))
"""


@pytest.fixture(params=BASES if ALL else list(BASES)[:1])
def conda(request: pytest.FixtureRequest, tmp_path: Path) -> Conda:
    base: Base = BASES[str(request.param)]
    made = Conda(base, tmp_path / "home", "classic")
    made.see_plugin("headrace_conda_inside", inside_alone(tmp_path / "inside"))
    return made


def led(
    conda: Conda, gateway: str, *asked: str, method: str = "GET"
) -> list[tuple[str, Mapping[str, Any]]]:
    """Hand requests to the handler; what it makes of each."""
    pairs = json.dumps([[url, method] for url in asked])
    done = subprocess.run(
        [conda.base.python, "-c", _SCRIPT, pairs],
        env={**conda.variables, "HEADRACE_CONDA_GATEWAY": gateway},
        cwd=conda.home,
        capture_output=True,
        text=True,
        check=False,
        timeout=HANG,
    )
    assert done.returncode == 0, done.stderr
    return [(url, headers) for url, headers in json.loads(done.stdout)]


def log_in(conda: Conda, host: str = "https://api.anaconda.org") -> None:
    """Leave a token behind, as a login tool does."""
    folder = conda.home / ".config" / "binstar"
    folder.mkdir(parents=True)
    (folder / f"{quote_plus(host)}.token").write_text(TOKEN, "utf-8")


def test_public_channel_is_led_to_the_gateway(conda: Conda) -> None:
    with RecordingServer() as up:
        (url, headers), (plain, _) = led(
            conda, up.url, f"{CLOUD}/conda-forge/{FILE}", f"http://Mirror.Example:8080/x/{FILE}"
        )
    assert url == f"{up.url}/conda/conda.anaconda.org/conda-forge/{FILE}"
    assert headers["X-Kept"] == "1"
    assert "Authorization" not in headers
    assert plain == f"{up.url}/conda/http+mirror.example:8080/x/{FILE}"


def test_login_token_is_left_out_for_a_channel_that_everybody_has(conda: Conda) -> None:
    log_in(conda)
    with RecordingServer() as up:
        for channel in ("conda-forge", "bioconda", "nvidia"):
            ((url, headers),) = led(conda, up.url, f"{CLOUD}/{channel}/{FILE}")
            assert url == f"{up.url}/conda/conda.anaconda.org/{channel}/{FILE}"
            assert TOKEN not in str(headers)


def test_login_token_stays_with_every_other_channel_of_its_host(conda: Conda) -> None:
    log_in(conda)
    with RecordingServer() as up:
        for channel in ("my-company", "conda-forge-private", "label/conda-forge"):
            ((url, _),) = led(conda, up.url, f"{CLOUD}/{channel}/{FILE}")
            assert url == f"{CLOUD}/t/{TOKEN}/{channel}/{FILE}"


def test_password_in_netrc_is_left_out_for_a_channel_that_everybody_has(conda: Conda) -> None:
    netrc = conda.home / ".netrc"
    netrc.write_text("machine conda.anaconda.org login me password secret\n", "utf-8")
    netrc.chmod(0o600)
    with RecordingServer() as up:
        (public, headers), (own, kept) = led(
            conda, up.url, f"{CLOUD}/conda-forge/{FILE}", f"{CLOUD}/my-company/{FILE}"
        )
    assert public.startswith(up.url)
    assert "Authorization" not in headers
    assert own == f"{CLOUD}/my-company/{FILE}"
    assert kept["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "asked",
    [
        f"{CLOUD}/t/mine-mine/conda-forge/{FILE}",
        f"https://me:secret@conda.anaconda.org/conda-forge/{FILE}",
        f"{CLOUD}/conda-forge/{FILE}?key=secret",
    ],
)
def test_request_with_a_secret_in_its_url_is_left_alone(conda: Conda, asked: str) -> None:
    with RecordingServer() as up:
        ((url, _),) = led(conda, up.url, asked)
    assert url == asked


def test_request_that_is_no_download_is_left_alone(conda: Conda) -> None:
    asked = f"{CLOUD}/conda-forge/{FILE}"
    with RecordingServer() as up:
        for method in ("POST", "PUT", "DELETE"):
            assert led(conda, up.url, asked, method=method)[0][0] == asked
        assert led(conda, up.url, asked, method="HEAD")[0][0].startswith(up.url)


def test_token_of_the_gateway_goes_to_it_and_to_nobody_else(conda: Conda) -> None:
    with RecordingServer() as up:
        gateway = up.url.replace("://", f"://headrace:{TOKEN}@")
        (url, headers), (own, kept) = led(
            conda, gateway, f"{CLOUD}/conda-forge/{FILE}", f"{CLOUD}/t/mine/x/{FILE}"
        )
    wanted = base64.b64encode(f"headrace:{TOKEN}".encode()).decode()
    assert (url.startswith(f"{up.url}/"), headers["Authorization"]) == (True, f"Basic {wanted}")
    assert own.startswith(CLOUD)
    assert "Authorization" not in kept


def test_nothing_is_led_to_a_gateway_that_is_down_or_misspelt(conda: Conda) -> None:
    asked = f"{CLOUD}/conda-forge/{FILE}"
    for gateway in (f"http://127.0.0.1:{free_port()}", "https://127.0.0.1:1", "nonsense", ""):
        assert led(conda, gateway, asked)[0][0] == asked


def test_nothing_is_led_anywhere_offline(conda: Conda) -> None:
    asked = f"{CLOUD}/conda-forge/{FILE}"
    conda.variables["CONDA_OFFLINE"] = "true"
    with RecordingServer() as up:
        assert led(conda, up.url, asked)[0][0] == asked
        assert up.seen == []
