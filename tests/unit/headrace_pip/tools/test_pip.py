"""pip's files before and after: what `on` writes, what `off` finds again."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.errors import ConfigurationError
from headrace.interface.hookspecs import GatewayAddress, Place, Scope, Standing
from headrace.models import Origin
from headrace_pip import plugin
from headrace_pip.index import layouts
from headrace_pip.tools import origins as origins_module
from headrace_pip.tools import pip_config, pip_text
from headrace_pip.tools.ini_lines import strip_blocks
from headrace_pip.tools.pip import PipActivation
from lib.capabilities import lacks
from lib.places import GATEWAY, INDEX, place, reader

LOCK = "https://index.example/simple/"
OFFICIAL = "https://official.example/simple"
BEGIN = "# >>> headrace: written by `headrace on`, taken out by `headrace off`\n"
END = "# <<< headrace\n"
BLOCK = f"{BEGIN}[global]\nindex-url = {INDEX}\n\n[lock]\nindex-url = {LOCK}\n{END}"
GLOBAL = f"{BEGIN}index-url = {INDEX}\n{END}"
LOCKED = f"{BEGIN}[lock]\nindex-url = {LOCK}\n{END}"

TABLE = {
    "nothing": ("", BLOCK),
    "comments alone": ("# mine\n", f"# mine\n{BLOCK}"),
    "no final newline": ("# mine", f"# mine\n{BLOCK}"),
    "other section": ("[list]\nformat = json\n", f"[list]\nformat = json\n{BLOCK}"),
    "global with other settings": (
        "[global]\n# slow line\ntimeout = 60\n",
        f"[global]\n{GLOBAL}# slow line\ntimeout = 60\n{LOCKED}",
    ),
    "global with an index": (
        "[global]\ntimeout = 60\nindex-url = https://corp.example/simple  \nretries = 2\n",
        (
            f"[global]\ntimeout = 60\n{BEGIN}"
            "# headrace keeps: index-url = https://corp.example/simple  \n"
            f"index-url = {INDEX}\n{END}"
            f"retries = 2\n{LOCKED}"
        ),
    ),
    "other spellings": (
        "[global]\nINDEX_URL: https://corp.example/simple\n",
        (
            f"[global]\n{BEGIN}# headrace keeps: INDEX_URL: https://corp.example/simple\n"
            f"index-url = {INDEX}\n{END}{LOCKED}"
        ),
    ),
    "value on lines of its own": (
        "[global]\nindex-url =\n    https://corp.example/simple\ntimeout = 5\n",
        (
            f"[global]\n{BEGIN}# headrace keeps: index-url =\n"
            "# headrace keeps:     https://corp.example/simple\n"
            f"index-url = {INDEX}\n{END}timeout = 5\n{LOCKED}"
        ),
    ),
    "indented settings": (
        "[global]\n  timeout = 5\n",
        f"[global]\n  {BEGIN}  index-url = {INDEX}\n  {END}  timeout = 5\n{LOCKED}",
    ),
    "a lock section": (
        "[lock]\nno-deps = true\n",
        (
            f"[lock]\n{BEGIN}index-url = {LOCK}\n{END}no-deps = true\n"
            f"{BEGIN}[global]\nindex-url = {INDEX}\n{END}"
        ),
    ),
    "a lock index of the user's own": (
        "[lock]\nindex-url = https://mine.example/simple\n",
        (
            "[lock]\nindex-url = https://mine.example/simple\n"
            f"{BEGIN}[global]\nindex-url = {INDEX}\n{END}"
        ),
    ),
    "the install section had an index": (
        "[install]\nindex-url = https://corp.example/simple\n",
        (
            f"[install]\n{BEGIN}# headrace keeps: index-url = https://corp.example/simple\n"
            f"index-url = {INDEX}\n{END}"
            f"{BLOCK}"
        ),
    ),
    "windows line ends": (
        "[global]\r\ntimeout = 5\r\n",
        (f"[global]\n{GLOBAL}timeout = 5\n{LOCKED}").replace("\n", "\r\n"),
    ),
}


@pytest.fixture(autouse=True)
def no_pip_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins_module, "default_index", lambda _: OFFICIAL)


@pytest.mark.parametrize(("before", "after"), TABLE.values(), ids=TABLE.keys())
def test_files_before_and_after(before: str, after: str) -> None:
    path = Path("pip.conf")
    assert pip_text.routed(before.encode(), INDEX, LOCK, path) == after.encode()


@pytest.mark.parametrize(("before", "after"), TABLE.values(), ids=TABLE.keys())
def test_pip_reads_what_is_meant(before: str, after: str) -> None:
    was, now = (pip_config.parse(text.encode(), Path("x")) for text in (before, after))
    for section in ("global", "install"):
        if section == "global" or was.get(section):
            assert now[section].pop("index-url") == INDEX
    if "lock" not in was or "index-url" not in was["lock"]:
        assert now["lock"].pop("index-url") == LOCK
    kept = {
        section: {k: v for k, v in values.items() if section == "lock" or k != "index-url"}
        for section, values in was.items()
    }
    assert {s: v for s, v in now.items() if v} == {s: v for s, v in kept.items() if v}


@pytest.mark.parametrize("after", [after for _, after in TABLE.values()], ids=TABLE.keys())
def test_writing_twice_changes_nothing(after: str) -> None:
    assert pip_text.routed(after.encode(), INDEX, LOCK, Path("x")) == after.encode()


@pytest.mark.parametrize(("before", "after"), TABLE.values(), ids=TABLE.keys())
def test_the_blocks_alone_tell_what_was_there(before: str, after: str) -> None:
    """Even without the journal: all but a final newline that was not there."""
    assert strip_blocks(after.encode()).rstrip(b"\n") == before.encode().rstrip(b"\n")


def rewritten_by_pip(content: str) -> bytes:
    """As `pip config set` writes a file: no comments."""
    parsed = pip_config.parse(content.encode(), Path("x"))
    parsed.setdefault("global", {})["timeout"] = "99"
    return pip_config.render(parsed)


@pytest.mark.parametrize(("before", "after"), TABLE.values(), ids=TABLE.keys())
def test_our_values_leave_a_file_that_pip_config_set_rewrote(before: str, after: str) -> None:
    now = rewritten_by_pip(after)
    result = PipActivation().withdraw(Path("x"), before.encode(), after.encode(), now)
    assert result is not None
    was = pip_config.parse(before.encode(), Path("x"))
    was.setdefault("global", {})["timeout"] = "99"
    assert pip_config.parse(result, Path("x")) == {s: v for s, v in was.items() if v}


@pytest.mark.parametrize("now", [b"", b"# nothing any more\n"])
def test_a_file_that_lost_all_its_sections_has_nothing_of_ours(now: bytes) -> None:
    assert PipActivation().withdraw(Path("x"), b"", BLOCK.encode(), now) == now


def test_an_index_that_the_user_set_later_stays() -> None:
    now = BLOCK.replace(INDEX, "https://new.example/simple")
    result = PipActivation().withdraw(Path("x"), b"", BLOCK.encode(), now.encode())
    assert result is not None
    assert pip_config.parse(result, Path("x")) == {
        "global": {"index-url": "https://new.example/simple"}
    }


@pytest.mark.parametrize(
    "broken",
    [
        b"index-url = x\n",
        b"\xef\xbb\xbf[global]\n",
        b"[global]\na = 1\na = 2\n",
        b"[global]\n[global]\n",
    ],
    ids=["no section", "byte order mark", "duplicate key", "duplicate section"],
)
def test_a_file_that_pip_cannot_read_is_refused(broken: bytes) -> None:
    with pytest.raises(ConfigurationError, match="pip cannot read"):
        pip_text.routed(broken, INDEX, LOCK, Path("pip.conf"))


def test_undecodable_bytes_survive() -> None:
    before = b"[global]\nuser-agent-user-data = caf\xe9\n"
    after = pip_text.routed(before, INDEX, LOCK, Path("x"))
    assert strip_blocks(after) == before


# ------------------------------------------------------------------ the activation


def enable(where: Place, gateway: GatewayAddress = GATEWAY) -> bytes:
    activation = PipActivation()
    found = [each.origin for each in activation.discover(where, reader)]
    (edit,) = activation.enable(where, gateway, found, reader)
    assert edit.after is not None
    return edit.after


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_pips_default_is_asked_of_pip_and_is_the_origin(tmp_path: Path) -> None:
    found, variants = PipActivation().discover(place(tmp_path), reader)
    assert (variants.origin.name, variants.origin.private) == ("pytorch", False)
    assert found.origin == Origin("python", OFFICIAL)
    assert found.where == "pip's own default"


def test_a_company_index_becomes_the_origin_without_its_password(tmp_path: Path) -> None:
    where = place(tmp_path)
    conf = put(
        tmp_path / "home/.config/pip/pip.conf",
        "[global]\nindex-url = https://me:p%40ss@corp.example/simple/\n",
    )
    (found,) = PipActivation().discover(where, reader)
    assert found.origin == Origin("python", "https://corp.example/simple", private=True)
    assert found.where == str(conf)
    assert found.credential is not None
    assert (found.credential.username, found.credential.secret) == ("me", "p@ss")
    assert "p@ss" not in repr(found)


def test_what_headrace_wrote_is_not_taken_for_an_origin(tmp_path: Path) -> None:
    put(tmp_path / "home/.config/pip/pip.conf", BLOCK)
    found, variants = PipActivation().discover(place(tmp_path), reader)
    assert (variants.origin.name, variants.origin.private) == ("pytorch", False)
    assert found.origin.url == OFFICIAL


def test_pips_own_certificate_file_goes_to_the_gateway(tmp_path: Path) -> None:
    put(tmp_path / "xdg/pip/pip.conf", "[global]\ncert = /etc/corp.pem\n")
    found, variants = PipActivation().discover(place(tmp_path), reader)
    assert (variants.origin.name, variants.origin.private) == ("pytorch", False)
    assert found.authorities == variants.authorities == "/etc/corp.pem"
    assert found.surroundings == {}


def test_on_takes_its_origin_from_the_files_of_its_own_scope_and_weaker_ones(
    tmp_path: Path,
) -> None:
    """What is stronger goes on winning, so it must not become everybody's origin."""
    put(tmp_path / "xdg/pip/pip.conf", "[global]\nindex-url = https://machine.example/simple\n")
    put(tmp_path / "venv/pip.conf", "[global]\nindex-url = https://venv.example/simple\n")
    env = {"VIRTUAL_ENV": str(tmp_path / "venv"), "PIP_INDEX_URL": "https://env.example/simple"}
    (found,) = PipActivation().discover(place(tmp_path, env), reader)
    assert found.origin.url == "https://machine.example/simple"
    put(
        tmp_path / "home/.config/pip/pip.conf",
        "[global]\nindex-url = https://user.example/simple\n",
    )
    (found,) = PipActivation().discover(place(tmp_path, env), reader)
    assert found.origin.url == "https://user.example/simple"
    (found,) = PipActivation().discover(place(tmp_path, env, scope=Scope.SYSTEM), reader)
    assert found.origin.url == "https://machine.example/simple"


def test_the_official_index_written_out_is_not_private(tmp_path: Path) -> None:
    put(tmp_path / "home/.config/pip/pip.conf", f"[global]\nindex-url = {OFFICIAL}/\n")
    found, variants = PipActivation().discover(place(tmp_path), reader)
    assert (variants.origin.name, variants.origin.private) == ("pytorch", False)
    assert not found.origin.private


def test_whoever_had_a_catalogue_mirror_means_the_official_index(tmp_path: Path) -> None:
    for mirror in plugin.headrace_mirrors("python"):
        page = layouts.document_url(mirror.layout, mirror.url, "x")
        if page:
            break
    else:
        pytest.skip(lacks("catalogue", "no mirror with pages"))
    index = page.removesuffix("/").removesuffix("/x")
    put(tmp_path / "home/.config/pip/pip.conf", f"[global]\nindex-url = {index}\n")
    found, variants = PipActivation().discover(place(tmp_path), reader)
    assert (variants.origin.name, variants.origin.private) == ("pytorch", False)
    assert found.origin == Origin("python", OFFICIAL)


def test_the_lock_section_keeps_the_company_index_as_it_was_written(tmp_path: Path) -> None:
    put(
        tmp_path / "home/.config/pip/pip.conf",
        "[global]\nindex-url = https://me:pw@corp.example/simple/\n",
    )
    after = enable(place(tmp_path)).decode()
    assert "[lock]\nindex-url = https://me:pw@corp.example/simple/\n" in after


def test_no_lock_section_where_a_virtual_environment_has_its_own_index(tmp_path: Path) -> None:
    put(tmp_path / "venv/pip.conf", "[global]\nindex-url = https://venv.example/simple\n")
    after = enable(place(tmp_path, {"VIRTUAL_ENV": str(tmp_path / "venv")}))
    assert b"[lock]" not in after


def test_a_token_makes_the_file_private(tmp_path: Path) -> None:
    where = place(tmp_path)
    (edit,) = PipActivation().enable(
        where, GatewayAddress("127.0.0.1", 17223, "t0k"), [Origin("python", OFFICIAL)], reader
    )
    assert edit.private
    assert b"http://headrace:t0k@127.0.0.1:17223/simple/" in (edit.after or b"")


@pytest.mark.parametrize(
    ("env", "conf"),
    [
        ({"HTTP_PROXY": "http://proxy.corp.example:3128"}, ""),
        ({"http_proxy": "http://proxy.corp.example:3128", "NO_PROXY": "corp.example"}, ""),
        ({"ALL_PROXY": "http://proxy.corp.example:3128"}, ""),
        ({"PIP_PROXY": "http://proxy.corp.example:3128"}, ""),
        ({}, "[global]\nproxy = http://proxy.corp.example:3128\n"),
    ],
)
def test_a_proxy_that_would_get_loopback_traffic_is_refused(
    tmp_path: Path, env: dict[str, str], conf: str
) -> None:
    put(tmp_path / "home/.config/pip/pip.conf", conf)
    with pytest.raises(ConfigurationError, match="ask the proxy"):
        enable(place(tmp_path, env))


@pytest.mark.parametrize(
    "env",
    [
        {"HTTPS_PROXY": "http://proxy.corp.example:3128"},
        {"HTTP_PROXY": "http://proxy.corp.example:3128", "NO_PROXY": "localhost,127.0.0.1"},
        {"HTTP_PROXY": "http://proxy.corp.example:3128", "no_proxy": "*"},
    ],
)
def test_a_proxy_that_lets_loopback_alone_is_no_hindrance(
    tmp_path: Path, env: dict[str, str]
) -> None:
    assert INDEX.encode() in enable(place(tmp_path, env))


def test_system_scope_writes_the_machines_file(tmp_path: Path) -> None:
    where = place(tmp_path, scope=Scope.SYSTEM)
    (edit,) = PipActivation().enable(where, GATEWAY, [Origin("python", OFFICIAL)], reader)
    assert edit.path == Path("/etc/pip.conf")


def test_standing_follows_pips_own_precedence(tmp_path: Path) -> None:
    activation, where = PipActivation(), place(tmp_path)
    assert activation.standing(where, GATEWAY, reader) is Standing.NOT_ROUTED
    put(tmp_path / "xdg/pip/pip.conf", BLOCK)
    assert activation.standing(where, GATEWAY, reader) is Standing.ROUTED
    put(tmp_path / "home/.config/pip/pip.conf", "[global]\nindex-url = https://c.example/simple\n")
    assert activation.standing(where, GATEWAY, reader) is Standing.NOT_ROUTED
    put(tmp_path / "home/.config/pip/pip.conf", BLOCK)
    assert activation.standing(where, GATEWAY, reader) is Standing.ROUTED


# ------------------------------------------------------------------ headrace run


def scratch(
    where: Place, tmp_path: Path
) -> tuple[dict[str, str | None], dict[str, dict[str, str]]]:
    activation = PipActivation()
    found = [each.origin for each in activation.discover(where, reader)]
    variables, edits = activation.environment(where, GATEWAY, found, reader, tmp_path / "scratch")
    (edit,) = (each for each in edits if str(each.path) == variables["PIP_CONFIG_FILE"])
    assert edit.after is not None
    return dict(variables), pip_config.parse(edit.after, edit.path)


def test_run_keeps_the_users_other_settings(tmp_path: Path) -> None:
    put(tmp_path / "home/.pip/pip.conf", "[global]\ntimeout = 60\n[list]\nformat = json\n")
    put(
        tmp_path / "home/.config/pip/pip.conf",
        "[global]\nextra-index-url =\n    https://a.example/simple\n    https://b.example/simple\n",
    )
    _, settings = scratch(place(tmp_path, command=("pip", "install", "x")), tmp_path)
    assert settings == {
        "global": {
            "timeout": "60",
            "extra-index-url": "\nhttps://a.example/simple\nhttps://b.example/simple",
            "index-url": INDEX,
        },
        "list": {"format": "json"},
        "lock": {"index-url": f"{OFFICIAL}/"},
    }


def test_run_takes_the_index_of_the_environment_as_the_origin_and_unsets_it(tmp_path: Path) -> None:
    env = {"PIP_INDEX_URL": "https://ci:tok@ci.example/simple"}
    where = place(tmp_path, env, command=("pip", "install", "x"))
    (found,) = PipActivation().discover(where, reader)
    assert found.origin.url == "https://ci.example/simple"
    assert found.origin.private
    variables, settings = scratch(where, tmp_path)
    assert variables["PIP_INDEX_URL"] is None
    assert settings["lock"]["index-url"] == "https://ci:tok@ci.example/simple"


def test_run_takes_the_index_of_the_commands_own_virtual_environment(tmp_path: Path) -> None:
    put(tmp_path / "work/venv/pyvenv.cfg", "")
    put(tmp_path / "work/venv/pip.conf", "[install]\nindex-url = https://venv.example/simple\n")
    where = place(tmp_path, command=("venv/bin/pip", "install", "x"))
    (found,) = PipActivation().discover(where, reader)
    assert found.origin.url == "https://venv.example/simple"
    # [install] of the environment's file would beat our [global].
    assert scratch(where, tmp_path)[1]["install"]["index-url"] == INDEX


def test_run_excepts_loopback_from_the_proxy(tmp_path: Path) -> None:
    env = {"HTTP_PROXY": "http://p.example:3128", "NO_PROXY": "corp.example"}
    variables, _ = scratch(place(tmp_path, env, command=("pip", "install", "x")), tmp_path)
    assert variables["NO_PROXY"] == variables["no_proxy"] == "corp.example,127.0.0.1,localhost,::1"
