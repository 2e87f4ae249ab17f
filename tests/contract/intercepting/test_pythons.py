"""`uv python install` below `headrace run`: its host of releases is none that is led."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import sys
import tarfile

import pytest

from lib.capabilities import lacks
from lib.clients import UVS, Uv
from lib.serving.servers import RecordingServer

from .conftest import LedUser, MakeUser

CONTENT = {
    "python/bin/python3.13": b"#!/bin/sh\necho 3.13.1\n",
    # uv writes where it was installed into this one, if it looks like one.
    "python/lib/python3.13/_sysconfigdata__linux_x86_64-linux-gnu.py": (
        b"# system configuration generated and used by the sysconfig module\nbuild_time_vars = {}\n"
    ),
    "python/lib/python3.13/LICENSE": b"own\n" * 50_000,
}
FILE = "/20250101/cpython.tar.gz"


def distribution() -> bytes:
    """Give an archive that uv takes for a Python."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in CONTENT.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755 if "/bin/" in name else 0o644
            archive.addfile(entry, io.BytesIO(data))
    return file.getvalue()


def described(user: LedUser, url: str, data: bytes) -> None:
    """Tell uv of this Python, and of no other."""
    told: dict[str, object] = {"major": 3, "minor": 13, "patch": 1, "prerelease": ""}
    told |= {
        "name": "cpython",
        "arch": {"family": "x86_64", "variant": None},
        "os": "linux",
        "libc": "gnu",
        "url": url,
        "sha256": hashlib.sha256(data).hexdigest(),
        "variant": None,
        "build": "20250101",
    }
    table = json.dumps({"cpython-3.13.1-linux-x86_64-gnu": told})
    path = user.box.write("pythons.json", table)
    user.box.variables["UV_PYTHON_DOWNLOADS_JSON_URL"] = str(path)


@pytest.mark.nightly
@pytest.mark.parametrize("by_mirror", [True, False])
def test_python_comes_from_where_its_user_has_it_from_and_is_the_same(
    make_user: MakeUser, *, by_mirror: bool
) -> None:
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip(lacks("system", "the Python of this test is one for Linux on x86-64"))
    user, data = make_user(), distribution()
    uv = Uv(UVS[-1], user.box)
    user.box.variables["UV_PYTHON_DOWNLOADS"] = "manual"
    with RecordingServer({FILE: data}, name="releases", tls=user.world.pages.tls) as releases:
        if by_mirror:
            user.box.variables["UV_PYTHON_INSTALL_MIRROR"] = releases.url
            there = "https://github.com/astral-sh/python-build-standalone/releases/download"
        else:
            there = releases.url
        described(user, there + FILE, data)
        user.led(uv.binary, "python", "install", "3.13").ok()
        assert {seen.path for seen in releases.seen} == {FILE}
        agents = {seen.headers["user-agent"].partition("/")[0] for seen in releases.seen}
    # uv itself, byte for byte, and nobody else.
    assert agents == {"uv"}
    assert not user.world.at_mirrors()
    (made,) = (user.box.home / ".local/share/uv/python").glob("cpython-3.13.1-*")
    for name, content in CONTENT.items():
        if "_sysconfigdata_" not in name:
            assert (made / name.removeprefix("python/")).read_bytes() == content
