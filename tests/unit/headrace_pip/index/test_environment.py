from __future__ import annotations

import json

import pytest
from packaging import tags
from packaging.markers import default_environment

from headrace_pip.index import environment
from headrace_pip.index.environment import Environment
from lib.capabilities import NO_PIP


def agent(tool: str = "pip/26.3", /, **changes: object) -> str:
    told = {
        "cpu": "x86_64",
        "distro": {"id": "bookworm", "libc": {"lib": "glibc", "version": "2.36"}, "name": "Debian"},
        "implementation": {"name": "CPython", "version": "3.11.7"},
        "installer": {"name": "pip", "version": "26.3"},
        "python": "3.11.7",
        "system": {"name": "Linux", "release": "6.18"},
    }
    return f"{tool} {json.dumps(told | changes)}"


def read(text: str) -> Environment:
    where = environment.read(text)
    assert where is not None
    return where


def test_pips_own_words_are_read() -> None:
    assert read(agent()) == Environment(
        tool="pip",
        tool_version=(26, 3),
        python="3.11.7",
        implementation="CPython",
        implementation_version="3.11.7",
        system="Linux",
        release="6.18",
        cpu="x86_64",
        libc=("glibc", 2, 36),
    )


def test_the_pip_that_is_installed_here_is_read_and_tagged_as_it_tags_itself() -> None:
    session = pytest.importorskip("pip._internal.network.session", reason=NO_PIP)
    where = read(session.user_agent())
    markers = environment.markers(where)
    truth = default_environment()
    for name in (
        "python_full_version",
        "python_version",
        "sys_platform",
        "platform_machine",
        "os_name",
        "implementation_name",
        "platform_system",
    ):
        assert markers[name] == truth[name]
    # Not the order of linux_*: that changed between versions of packaging.
    ours = [tag for tag in environment.tag_ranks(where) if not tag[2].startswith("linux_")]
    theirs = [(t.interpreter, t.abi, t.platform) for t in tags.sys_tags()]
    assert ours == [tag for tag in theirs if not tag[2].startswith("linux_")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "curl/8.0",
        "pip/26.3",
        "pip/26.3 {",
        "pip/26.3 []",
        "pip/26.3 {}",
        'pip/26.3 {"python":"3.11","system":"x"}',
        "poetry/2.5.1 CPython/3.11.7 Linux/6",
        "pip/26.3 " + '{"a":' * 800 + "1" + "}" * 800,
    ],
)
def test_who_does_not_say_where_is_nobody(text: str) -> None:
    assert environment.read(text) is None


@pytest.mark.parametrize(
    ("changes", "fits", "not_there"),
    [
        (
            {},
            [
                "cp311-cp311-manylinux_2_36_x86_64",
                "cp37-abi3-manylinux2014_x86_64",
                "py3-none-any",
                "cp311-cp311-manylinux1_x86_64",
            ],
            [
                "cp311-cp311-manylinux_2_37_x86_64",
                "cp312-abi3-manylinux2014_x86_64",
                "cp311-cp311-musllinux_1_2_x86_64",
                "cp311-cp311-manylinux2014_aarch64",
            ],
        ),
        (
            {"distro": {"id": "alpine", "name": "Alpine Linux"}},
            ["cp311-cp311-musllinux_1_2_x86_64"],
            ["cp311-cp311-manylinux2014_x86_64"],
        ),
        (
            {"distro": {"name": "x", "libc": {"lib": "musl", "version": "1.1"}}},
            ["cp311-cp311-musllinux_1_1_x86_64"],
            ["cp311-cp311-musllinux_1_2_x86_64"],
        ),
        ({"distro": None}, ["cp311-cp311-manylinux2014_x86_64"], []),
        (
            {"system": {"name": "Darwin"}, "cpu": "arm64", "distro": {"version": "14.5"}},
            ["cp311-cp311-macosx_11_0_arm64", "cp311-cp311-macosx_14_0_universal2"],
            ["cp311-cp311-macosx_15_0_arm64", "cp311-cp311-win_amd64"],
        ),
        (
            {"system": {"name": "Windows"}, "cpu": "AMD64"},
            ["cp311-cp311-win_amd64", "cp311-none-any"],
            ["cp311-cp311-win32"],
        ),
        (
            {
                "implementation": {"name": "PyPy", "version": "7.3.17"},
                "python": "3.10.14",
            },
            ["pp310-pypy310_pp73-manylinux2014_x86_64", "py3-none-any"],
            ["cp310-cp310-manylinux2014_x86_64"],
        ),
        ({"system": {"name": "FreeBSD"}}, ["py3-none-any"], []),
    ],
)
def test_which_wheels_fit(
    changes: dict[str, object], fits: list[str], not_there: list[str]
) -> None:
    ranks = environment.tag_ranks(read(agent("pip/26.3", **changes)))
    known = {"-".join(tag) for tag in ranks}
    assert known.issuperset(fits)
    assert known.isdisjoint(not_there)


def test_the_best_tag_has_the_lowest_rank() -> None:
    ranks = environment.tag_ranks(read(agent()))
    assert (
        ranks["cp311", "cp311", "manylinux_2_17_x86_64"]
        < ranks["cp311", "abi3", "manylinux_2_17_x86_64"]
        < ranks["cp38", "abi3", "manylinux_2_17_x86_64"]
        < ranks["py3", "none", "any"]
    )


@pytest.mark.parametrize(
    ("tool", "reads"),
    [("pip/25.2", True), ("pip/25.3", False), ("pip/26.3", False), ("uv/0.13.9", True)],
)
def test_who_asks_for_metadata(tool: str, reads: bool) -> None:  # noqa: FBT001 - a column
    assert read(agent(tool)).reads_metadata is reads
