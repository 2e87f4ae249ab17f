"""`headrace run -- uv lock` and the like: uv believes to talk to its origin; its lock says so."""

from __future__ import annotations

import shutil

import pytest

from lib.clients import UVS, Uv, chosen
from lib.serving.faults import large

from .conftest import LedUser, MakeUser

pytestmark = pytest.mark.parametrize(
    "version",
    [
        pytest.param(each, id=f"uv-{each}", marks=() if each == UVS[-1] else pytest.mark.nightly)
        for each in chosen(UVS)
    ],
)


def uv_of(user: LedUser, version: str) -> Uv:
    uv = Uv(version, user.box)
    text = (user.project / "pyproject.toml").read_text("utf-8")
    text += f'\n[[tool.uv.index]]\nurl = "{user.world.origin}"\ndefault = true\n'
    (user.project / "pyproject.toml").write_text(text, "utf-8")
    return uv


def test_uv_lock_names_the_origin_and_is_the_same_byte_for_byte(
    make_user: MakeUser, version: str
) -> None:
    user = make_user()
    uv = uv_of(user, version)
    user.plain(uv.binary, "lock").ok()
    lock = user.project / "uv.lock"
    plain = lock.read_bytes()
    lock.unlink()
    shutil.rmtree(user.box.home / "uv-cache")
    user.world.pages.forget()
    user.led(uv.binary, "lock").ok()
    assert lock.read_bytes() == plain
    assert user.world.files.url.encode() in plain
    agents = {seen.headers["user-agent"].partition("/")[0] for seen in user.world.pages.seen}
    assert agents == {"headrace"}


def test_uv_sync_gets_its_files_from_mirrors(make_user: MakeUser, version: str) -> None:
    user = make_user()
    uv = uv_of(user, version)
    result = user.led(uv.binary, "sync").ok()
    venv = user.project / ".venv" / "lib"
    (record,) = venv.glob("python*/site-packages/large-*/RECORD")
    assert record.is_file()
    assert user.own_words() < len(large().data) / 2, result.told()
    assert sum(mirror.bytes_sent("*.whl") for mirror in user.world.mirrors) > len(large().data) / 2
    user.world.assert_polite()


def test_uv_sync_of_a_committed_lock_needs_no_page_but_the_one_that_teaches(
    make_user: MakeUser, version: str
) -> None:
    user = make_user()
    uv = uv_of(user, version)
    user.plain(uv.binary, "lock").ok()
    shutil.rmtree(user.box.home / "uv-cache")
    for server in (user.world.pages, user.world.files, *user.world.mirrors):
        server.forget()
    result = user.led(uv.binary, "sync").ok()
    assert {seen.path for seen in user.world.pages.seen} == {"/simple/pip/"}
    assert not [seen for mirror in user.world.mirrors for seen in mirror.requests("/simple/*")]
    names = [seen.path.rpartition("/")[2] for seen in user.world.files.requests("*", "HEAD")]
    assert {name.partition("-")[0] for name in names} == {"large", "small"}
    assert user.own_words() < len(large().data) / 2, result.told()
