"""Each fault of a mirror, through the proxy: no tool that is led notices one, nor does its lock.

conda's tools stand in `test_condas`. All tools with all faults: ``tox -e contract-led``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib import wheels
from lib.clients import ALL, UVS, installed
from lib.serving.certificates import authority
from lib.serving.faults import FAULTS, faults_in, large
from lib.serving.servers import RecordingServer

from .conftest import LedUser, MakeUser
from .test_other_tools import HATCH, TOOLS, Tool, forget_caches, prepared
from .test_uv_projects import uv_of

OTHERS = {
    **{tool.name: tool for tool in TOOLS if tool.install},
    "hatch": Tool("hatch", ("1.18.2",), HATCH, (), ("env", "create")),
}
NAMES = (*(f"uv-{version}" for version in UVS[1:]), *OTHERS, "curl")
#: One slice of the table where it is not tried whole.
_BY_DAY = {(f"uv-{UVS[-1]}", "swapped-same-size"), ("curl", "cut-at-half-of-file")}
CASES = [(n, f) for n in NAMES for f in FAULTS if ALL or (n, f) in _BY_DAY]


def commands_of(user: LedUser, name: str) -> tuple[list[str | Path], list[str | Path]]:
    """Give what makes the lock, if the tool has one, and what installs by it."""
    if name in OTHERS:
        tool = OTHERS[name]
        program = installed(tool.name, *tool.requirements, program_name=tool.program)
        prepared(user, tool)
        return [program, *tool.lock] if tool.lock else [], [program, *tool.install]
    binary = uv_of(user, name.removeprefix("uv-")).binary
    return [binary, "lock"], [binary, "sync"]


def locks(user: LedUser) -> dict[str, bytes]:
    found = [*user.project.glob("*.lock")]
    return {path.name: path.read_bytes() for path in found}


@pytest.mark.parametrize(("name", "fault"), CASES, ids=[f"{n}-{f}" for n, f in CASES])
def test_fault_in_the_middle_of_a_file_is_not_noticed(
    make_user: MakeUser, name: str, fault: str
) -> None:
    user = make_user()
    if name == "curl":
        curl_has_it(user, fault)
        return
    lock, install = commands_of(user, name)
    if lock:
        user.plain(*lock).ok()
    before = locks(user)
    assert bool(before) == bool(lock)
    forget_caches(user)
    shutil.rmtree(user.box.home / "uv-cache", ignore_errors=True)
    user.world.files.forget()
    FAULTS[fault](user.world.mirrors[0], large())
    result = user.led(*install).ok()
    (record,) = (user.project / ".venv").rglob("large-1.0.dist-info/RECORD")
    packages = record.parents[1]
    for path, data in large().files().items():
        if path != "large-1.0.dist-info/RECORD":  # each writes there what it has added
            assert (packages / path).read_bytes() == data, result.told()
    assert locks(user) == before
    agents = {seen.headers["user-agent"].partition("/")[0] for seen in user.world.files.seen}
    assert agents <= {"headrace"}
    assert user.world.mirrors[1].bytes_sent("*.whl") > 0
    user.world.assert_polite()


def curl_has_it(user: LedUser, fault: str) -> None:
    """curl asks by the file's own URL, takes nothing back, and looks at no digest."""
    FAULTS[fault](user.world.mirrors[0], large())
    page = f"{user.world.origin}/large/"
    link = user.world.files.url + user.world.index.path(large().name)
    user.led("sh", "-c", f'curl -sSfo page "{page}" && curl -sSfo got "{link}"').ok()
    assert (user.project / "got").read_bytes() == large().data


# ------------------------------------------------------------------ a host that is not led

BIG = wheels.wheel("big", "1.0", size=1 << 20)
AT_HOST = faults_in(
    "/big",
    same_size=lambda: wheels.wheel("big", "1.0", size=1 << 20, seed="evil").data,
    other_size=lambda: BIG.data[: 1 << 19],
    size=1 << 20,
)


@pytest.fixture
def stranger(make_user: MakeUser) -> Iterator[tuple[LedUser, RecordingServer]]:
    """A user, and a host that no ecosystem knows."""
    user = make_user()
    company = authority(user.box.root / "stranger", "localhost")
    user.box.variables["SSL_CERT_FILE"] = str(company.certificate)
    with RecordingServer({"/big": BIG.data}, name="stranger", tls=company.server) as server:
        yield user, server


@pytest.mark.parametrize("fault", AT_HOST if ALL else ["cut-after-300kB"])
def test_fault_of_a_host_that_is_tunnelled_is_the_one_that_it_would_be(
    stranger: tuple[LedUser, RecordingServer], fault: str
) -> None:
    user, server = stranger
    AT_HOST[fault](server, None)
    told = []
    for run in (user.plain, user.led):
        (user.project / "got").unlink(missing_ok=True)
        limit = "5" if fault == "slow" or "stalled" in fault or fault == "silent" else "60"
        words = ("-w", "%{http_code} %{size_download}", "--max-time", limit)
        done = run("curl", "-sS", "-o", "got", *words, f"{server.url}/big")
        got = user.project / "got"
        told.append((done.code, got.read_bytes() if got.exists() else b"", done.out.split()[0]))
    if fault == "slow" or "reset" in fault:  # how far it came is a matter of time
        assert BIG.data.startswith(told[1][1])
        told = [(code, b"", said) for code, _, said in told]
    if fault == "refused":  # by the host or, for it, by the proxy: 7 and 56 of curl(1)
        assert [code for code, _, _ in told] == [7, 56]
        assert "502" in done.err
        return
    assert told[0] == told[1]
