"""conda, pip and the environment name different files of authorities: each counts for its own."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from lib import wheels
from lib.clients import tool
from lib.conda.clients import chosen_bases, find_bases, no_base
from lib.conda.user import somebody
from lib.index import Index
from lib.serving.certificates import authority
from lib.serving.servers import RecordingServer

# A slice, with pip alone, is in `test_run.py`.
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not find_bases(), reason=no_base()),
]


def test_each_tool_reaches_its_own_origin_by_its_own_file_and_nobody_elses(tmp_path: Path) -> None:
    conda_ca, pip_ca, other = (authority(tmp_path / each) for each in ("conda", "pip", "other"))
    index = Index()
    index.add(wheels.wheel("thing", "1.0"))
    with (
        RecordingServer(name="origin", tls=conda_ca.server) as channels,
        RecordingServer(name="index", tls=pip_ca.server) as pages,
        somebody(tmp_path, chosen_bases()[0], channels) as user,
    ):

        def settle(conda_pem: Path, pip_pem: Path) -> None:
            user.conda.configure(channels=[user.url], ssl_verify=str(conda_pem))
            conf = user.home / ".config" / "pip" / "pip.conf"
            conf.parent.mkdir(parents=True, exist_ok=True)
            lines = f"index-url = {index.mount_origin(pages)}\ncert = {pip_pem}\n"
            conf.write_text(f"[global]\n{lines}extra-index-url =\nfind-links =\n", "utf-8")

        def pip() -> bool:
            path = {"PYTHONPATH": str(tool("pip", "26.3")), "PIP_NO_CACHE_DIR": "1"}
            words = ("-m", "pip", "download", "--no-deps", "-d", str(user.home / "got"), "thing")
            return user.run(sys.executable, *words, env=path).code == 0

        def conda(name: str) -> bool:
            return user.conda.run("create", "-y", "-n", name, "alpha").code == 0

        # What the environment says is a third thing, and a tool's own file beats it.
        user.conda.variables["SSL_CERT_FILE"] = str(other.certificate)
        settle(conda_ca.certificate, pip_ca.certificate)
        user.headrace("on").ok()
        assert conda("mine")
        user.assert_through()
        assert pip()
        assert {seen.headers["user-agent"][:9] for seen in pages.seen} == {"headrace/"}

        # The other way round neither trusts what the other one does.
        user.headrace("off").ok()
        settle(pip_ca.certificate, conda_ca.certificate)
        user.anew()
        shutil.rmtree(user.root / "headrace" / "cache")
        pages.forget()
        user.headrace("on").ok()
        assert not conda("others")
        assert not pip()
        assert not user.origin.seen
        assert not pages.seen
