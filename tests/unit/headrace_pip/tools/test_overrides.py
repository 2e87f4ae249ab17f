"""What wins over us is found, with the place where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.interface.hookspecs import Standing
from headrace_pip.tools import pip_text
from headrace_pip.tools.pip import PipActivation
from headrace_pip.tools.pip_overrides import of_pip
from headrace_pip.tools.uv_overrides import of_uv
from lib.places import GATEWAY, INDEX, place, reader


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_nothing_wins_where_nothing_is_set(tmp_path: Path) -> None:
    put(tmp_path / "home/.config/pip/pip.conf", f"[global]\nindex-url = {INDEX}\n")
    assert of_pip(place(tmp_path), GATEWAY, reader) == []
    assert of_uv(place(tmp_path), GATEWAY, reader) == []


@pytest.mark.parametrize(
    ("env", "where"),
    [
        ({"PIP_INDEX_URL": "https://x.example/simple"}, "PIP_INDEX_URL"),
        ({"PIP_CONFIG_FILE": "/dev/null"}, "PIP_CONFIG_FILE"),
        ({"PIP_NO_INDEX": "1"}, "PIP_NO_INDEX"),
        ({"HTTP_PROXY": "http://p.example"}, "HTTP_PROXY"),
        ({"PIP_PROXY": "http://p.example"}, "PIP_PROXY"),
    ],
)
def test_variables_of_pip(tmp_path: Path, env: dict[str, str], where: str) -> None:
    assert [each.where for each in of_pip(place(tmp_path, env), GATEWAY, reader)] == [where]


def test_a_virtual_environments_own_file(tmp_path: Path) -> None:
    conf = put(tmp_path / "venv/pip.conf", "[global]\nindex-url = https://u:pw@v.example/simple\n")
    where = place(tmp_path, {"VIRTUAL_ENV": str(tmp_path / "venv")})
    (found,) = of_pip(where, GATEWAY, reader)
    assert found.where == str(conf)
    assert "pw" not in found.what
    assert "v.example" in found.what


def test_a_file_that_hides_the_users(tmp_path: Path) -> None:
    own = put(tmp_path / "own.conf", "[global]\ntimeout = 5\n")
    (found,) = of_pip(place(tmp_path, {"PIP_CONFIG_FILE": str(own)}), GATEWAY, reader)
    assert found.where == "PIP_CONFIG_FILE"


def test_an_install_section_of_a_legacy_file(tmp_path: Path) -> None:
    old = put(tmp_path / "home/.pip/pip.conf", "[install]\nindex-url = https://o.example/simple\n")
    (found,) = of_pip(place(tmp_path), GATEWAY, reader)
    assert found.where == str(old)


def test_lines_of_requirement_files(tmp_path: Path) -> None:
    text = (
        "# -i https://comment.example/simple\n"
        "requests\n"
        "-i https://a:pw@a.example/simple\n"
        "--index-url=https://b.example/simple\n"
        "  --index-url https://c.example/simple  # note\n"
        f"-i {INDEX}\n"
        "-ihttps://d.example/simple\n"
        "--no-index\n"
        "--extra-index-url https://extra.example/simple\n"
        "-itertools\n"
    )
    file = put(tmp_path / "work/requirements-dev.txt", text)
    put(tmp_path / "work/requirements/base.txt", "-i https://e.example/simple\n")
    found = of_pip(place(tmp_path), GATEWAY, reader)
    lines = [each.where for each in found if each.where.startswith(str(file))]
    assert lines == [f"{file}:{number}" for number in (3, 4, 5, 7, 8)]
    assert any("base.txt:1" in each.where for each in found)
    assert all("pw" not in each.what for each in found)


@pytest.mark.parametrize(
    ("env", "where"),
    [
        ({"UV_DEFAULT_INDEX": "https://x.example/simple"}, "UV_DEFAULT_INDEX"),
        ({"UV_INDEX_URL": "https://x.example/simple"}, "UV_INDEX_URL"),
        ({"UV_INDEX": "https://x.example/simple"}, "UV_INDEX"),
        ({"UV_NO_CONFIG": "1"}, "UV_NO_CONFIG"),
        ({"UV_CONFIG_FILE": "/x.toml"}, "UV_CONFIG_FILE"),
        ({"ALL_PROXY": "http://p.example"}, "ALL_PROXY"),
    ],
)
def test_variables_of_uv(tmp_path: Path, env: dict[str, str], where: str) -> None:
    assert [each.where for each in of_uv(place(tmp_path, env), GATEWAY, reader)] == [where]


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("pyproject.toml", '[tool.uv.pip]\nindex-url = "https://x.example/s"\n', "sets the index"),
        (
            "uv.toml",
            '[[index]]\nurl = "https://x.example/s"\ndefault = true\n',
            "sets the index",
        ),
        ("uv.toml", '[[index]]\nurl = "https://x.example/s"\n', "asks first"),
        ("pyproject.toml", '[tool.uv]\nindex-url = "https://x.example/s"\n', "does not obey"),
    ],
)
def test_projects_of_uv(tmp_path: Path, name: str, text: str, what: str) -> None:
    file = put(tmp_path / "work" / name, text)
    (found,) = of_uv(place(tmp_path), GATEWAY, reader)
    assert found.where == str(file)
    assert what in found.what


def test_an_extra_index_is_told_and_does_not_win(tmp_path: Path) -> None:
    conf = put(
        tmp_path / "home/.config/pip/pip.conf",
        f"[global]\nindex-url = {INDEX}\nextra-index-url = https://u:pw@x.example/simple\n",
    )
    (found,) = of_pip(place(tmp_path), GATEWAY, reader)
    assert (found.where, found.wins) == (str(conf), False)
    assert "x.example" in found.what
    assert "pw" not in found.what


@pytest.mark.parametrize(
    "text",
    [
        "[install]\nindex-url = https://corp.example/simple\n",
        "[global]\nindex-url = https://g.example/s\n[install]\nindex-url = https://i.example/s\n",
        "[DEFAULT]\nindex-url = https://corp.example/simple\n[install]\nno-deps = no\n",
        "[global]\nindex_url = https://corp.example/simple\n",
        "[global]\n\u00a0index-url = https://corp.example/simple\n",
        "[download]\nindex-url = https://corp.example/simple\n",
    ],
)
def test_what_our_own_edit_has_replaced_wins_over_nothing(tmp_path: Path, text: str) -> None:
    """The report is of the file as it stands, and of what pip asks then."""
    before = text.encode()
    conf = put(tmp_path / "home/.config/pip/pip.conf", text)
    conf.write_bytes(pip_text.routed(before, INDEX, None, conf))
    assert of_pip(place(tmp_path), GATEWAY, reader) == []
    assert PipActivation().standing(place(tmp_path), GATEWAY, reader) is Standing.ROUTED


def test_an_environments_own_file_that_leads_to_the_gateway_is_no_alarm(tmp_path: Path) -> None:
    own = put(tmp_path / "own.conf", f"[global]\nindex-url = {INDEX}\n")
    put(tmp_path / "venv/pip.conf", f"[install]\nindex-url = {INDEX}\n")
    env = {"PIP_CONFIG_FILE": str(own), "VIRTUAL_ENV": str(tmp_path / "venv")}
    assert of_pip(place(tmp_path, env), GATEWAY, reader) == []
    assert of_pip(place(tmp_path, {"PIP_INDEX_URL": INDEX}), GATEWAY, reader) == []


def test_file_of_a_variable_that_sets_an_index_is_told_by_that(tmp_path: Path) -> None:
    own = put(tmp_path / "own.conf", "[global]\nindex-url = https://ci.example/simple\n")
    env = {"PIP_CONFIG_FILE": str(own)}
    (found,) = of_pip(place(tmp_path, env), GATEWAY, reader)
    assert (found.where, found.wins) == (str(own), True)
    assert "sets index-url to https://ci.example/simple" in found.what
    put(own, f"[global]\nindex-url = {INDEX}\n")
    assert of_pip(place(tmp_path, env), GATEWAY, reader) == []


@pytest.mark.parametrize(
    ("text", "env"),
    [
        ("[pip]\nindex-url = '{0}'\n", {}),
        ("index-url = '{0}'\n", {}),
        ("[[index]]\nurl = '{0}'\ndefault = true\n", {}),
        ("", {"UV_DEFAULT_INDEX": "{0}"}),
        ("", {"UV_INDEX_URL": "{0}"}),
    ],
)
def test_project_or_variable_that_leads_uv_to_the_gateway_is_no_alarm(
    tmp_path: Path, text: str, env: dict[str, str]
) -> None:
    put(tmp_path / "work/uv.toml", text.format(INDEX))
    given = {name: value.format(INDEX) for name, value in env.items()}
    assert of_uv(place(tmp_path, given), GATEWAY, reader) == []


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("pyproject.toml", "[tool.uv.pip]\nemit-index-url = true\n", True),
        ("pyproject.toml", "[tool.uv.pip]\nemit-index-url = false\n", False),
        ("requirements.txt", "# made\n#    uv pip compile a.in --emit-index-annotation\n", True),
        ("requirements.txt", "# made\n#    uv pip compile a.in --no-emit-index-url\n", False),
        ("requirements.txt", "uv # pip compile --emit-index-url\n", False),
    ],
)
def test_project_that_has_uv_write_the_index_down_is_told(
    tmp_path: Path,
    name: str,
    text: str,
    told: bool,  # noqa: FBT001 - a table
) -> None:
    file = put(tmp_path / "work" / name, text)
    found = of_uv(place(tmp_path), GATEWAY, reader)
    assert [(each.where, each.wins) for each in found] == [(str(file), False)] * told
