"""A written folder with everything in it, with packages from the index that pip uses here."""

from __future__ import annotations

import contextlib
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.images.workplace import LIMITS, Site, keys, login, made

pytestmark = [pytest.mark.nightly, pytest.mark.network]


@pytest.fixture(scope="module")
def online() -> Iterator[Site]:
    """On this machine's network, where pip has an index."""
    with contextlib.ExitStack() as stack:
        yield made(stack, alone=False)


def test_jupyter_answers_with_its_token_alone_in_an_image_with_everything(online: Site) -> None:
    site = online
    certificates = Path("/etc/ssl/certs/ca-certificates.crt")
    (site.root / "base" / "ca.crt").write_bytes(certificates.read_bytes())
    site.built["full"] = folder = site.write(
        "full", "--jupyter", "--ssh", "--science", "--logs=json"
    )
    trusted = (f"--volume={certificates}:{certificates}:ro", "--env=PIP_NO_INPUT=1")
    words = ("--network=host", "--format=docker", *LIMITS, *trusted)
    site.podman("build", *words, "--tag", "localhost/full", folder)
    with site.running("full", keys(site)) as name:
        said = [json.loads(line) for line in site.logs(name)]
        assert {each["service.name"] for each in said} == {"start", "jupyter", "ssh"}
        (token,) = (
            each["message"].partition("token=")[2]
            for each in said
            if each["service.name"] == "start" and "token=" in each["message"]
        )
        page = "http://127.0.0.1:8888/api/contents"
        with urllib.request.urlopen(f"{page}?token={token}") as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(page)
        site.run(*login(site, "python3 -c 'import numpy, pandas, matplotlib, sklearn'"))
        assert site.stopped(name) == 0
