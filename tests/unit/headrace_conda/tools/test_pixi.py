"""pixi and rattler-build: files before and after, whose mirrors win, and what is left alone."""

from __future__ import annotations

import json
import stat
import tomllib
from pathlib import Path

import pytest

from headrace.errors import ConfigurationError
from headrace.interface.editing import toml_text
from headrace.interface.hookspecs import GatewayAddress, Place, Scope, Standing
from headrace.models import Origin
from headrace.system.edits.journal import Journal
from headrace_conda.tools.pixi import PixiActivation
from headrace_conda.tools.rattler import RattlerActivation
from lib.places import GATEWAY, place, reader

CONDA = "https://conda.anaconda.org/"
ORIGINS = [Origin("conda", "https://conda.anaconda.org"), Origin("python", "https://o.example")]
MIRRORS = ["http://127.0.0.1:17223/conda/conda.anaconda.org/", CONDA]
LINE = (
    f'"{CONDA}" = ["{MIRRORS[0]}", "{CONDA}"] '
    "# written by `headrace on`, taken out by `headrace off`\n"
)


def put(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode())
    return path


def program(base: Path, name: str = "pixi") -> None:
    path = put(base / "bin" / name, "#!/bin/sh\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def config(base: Path) -> Path:
    return base / "home/.pixi/config.toml"


def enable(
    where: Place, tool: RattlerActivation | None = None, gateway: GatewayAddress = GATEWAY
) -> str | None:
    edits = (tool or PixiActivation()).enable(where, gateway, ORIGINS, reader)
    return edits[0].after.decode() if edits and edits[0].after is not None else None


SETTINGS = {
    "no file": "",
    "comments": (
        '# mine\ndefault-channels = ["conda-forge"] # all\n\n[shell]\n# no\nchange-ps1 = false\n'
    ),
    "windows line ends": "[shell]\r\nchange-ps1 = false # no\r\n",
    "no last line end": "tls-no-verify = false",
    "mirrors of other hosts": (
        '[mirrors]\n# near\n"https://a.example/" = [\n  "https://b.example/",\n]\n\n'
        "[shell]\nchange-ps1 = false\n"
    ),
    "dotted mirrors": 'mirrors."https://a.example" = ["https://b.example"]\n',
    "inline mirrors": 'mirrors = { "https://a.example" = ["https://b.example"] }\n',
}


@pytest.mark.parametrize("before", SETTINGS.values(), ids=SETTINGS.keys())
def test_pixi_gets_one_entry_and_every_byte_comes_back(tmp_path: Path, before: str) -> None:
    program(tmp_path)
    if before:
        put(config(tmp_path), before)
    activation, where = PixiActivation(), place(tmp_path)
    journal = Journal(tmp_path / "journal", withdraw=lambda _, *file: activation.withdraw(*file))
    for _ in range(2):  # the second time changes nothing
        edits = activation.enable(where, GATEWAY, ORIGINS, journal.pristine)
        journal.apply([("pixi", edit) for edit in edits])
        written = config(tmp_path).read_bytes().decode()
        expected = tomllib.loads(before)
        expected.setdefault("mirrors", {})[CONDA] = MIRRORS
        assert tomllib.loads(written) == expected
        assert ("\r\n" in before) == ("\r\n" in written)
        assert written.count("\n") == written.count("\r\n") or "\r\n" not in written
    assert activation.standing(where, GATEWAY, reader) is Standing.ROUTED
    journal.undo()
    assert config(tmp_path).exists() == bool(before)
    if before:
        assert config(tmp_path).read_bytes() == before.encode()


def test_the_gateway_comes_first_and_the_origin_second(tmp_path: Path) -> None:
    program(tmp_path)
    assert enable(place(tmp_path)) == f"[mirrors]\n{LINE}"


def test_what_pixi_is_not_there_for_is_left_alone(tmp_path: Path) -> None:
    activation, where = PixiActivation(), place(tmp_path)
    assert enable(where) is None
    assert activation.discover(where, reader) == []
    assert activation.overrides(where, GATEWAY, reader) == ()
    assert activation.standing(where, GATEWAY, reader) is Standing.NOT_FOUND
    (tmp_path / "home/.pixi").mkdir()
    assert activation.standing(where, GATEWAY, reader) is Standing.NOT_ROUTED
    assert enable(where) is not None


def test_an_origin_that_the_gateway_does_not_front_is_not_routed(tmp_path: Path) -> None:
    program(tmp_path)
    assert PixiActivation().enable(place(tmp_path), GATEWAY, ORIGINS[1:], reader) == ()


def test_enabling_twice_without_a_record_is_enabling_once(tmp_path: Path) -> None:
    program(tmp_path)
    once = enable(place(tmp_path))
    put(config(tmp_path), once or "")
    assert enable(place(tmp_path)) == once


def test_an_entry_for_an_older_port_is_ours_and_is_replaced(tmp_path: Path) -> None:
    put(config(tmp_path), f"[mirrors]\n{LINE}".replace("17223", "1").partition(" #")[0] + "\n")
    assert enable(place(tmp_path)) == f"[mirrors]\n{LINE}"
    assert PixiActivation().standing(place(tmp_path), GATEWAY, reader) is Standing.NOT_ROUTED


@pytest.mark.parametrize("spelled", [CONDA, CONDA.rstrip("/"), "https://CONDA.anaconda.org"])
@pytest.mark.parametrize("name", ["home/.pixi/config.toml", "home/.config/pixi/config.toml"])
def test_the_users_own_mirror_of_the_same_host_wins(
    tmp_path: Path, name: str, spelled: str
) -> None:
    path = put(tmp_path / name, f'[mirrors]\n"{spelled}" = ["https://near.example/"]\n')
    program(tmp_path)
    assert enable(place(tmp_path)) is None
    (override,) = PixiActivation().overrides(place(tmp_path), GATEWAY, reader)
    assert (override.where, override.wins) == (str(path), True)
    assert "conda.anaconda.org" in override.what


def test_the_users_mirror_of_one_channel_stands_beside_ours(tmp_path: Path) -> None:
    put(config(tmp_path), f'[mirrors]\n"{CONDA}conda-forge" = ["https://near.example/"]\n')
    put(config(tmp_path), enable(place(tmp_path)) or "")
    (override,) = PixiActivation().overrides(place(tmp_path), GATEWAY, reader)
    assert not override.wins
    assert "conda-forge" in override.what


def test_a_projects_own_mirror_wins_and_is_told(tmp_path: Path) -> None:
    program(tmp_path)
    put(config(tmp_path), enable(place(tmp_path)) or "")
    assert PixiActivation().overrides(place(tmp_path), GATEWAY, reader) == []
    path = put(tmp_path / "work/.pixi/config.toml", f'[mirrors]\n"{CONDA}" = ["https://n.example"]')
    (override,) = PixiActivation().overrides(place(tmp_path), GATEWAY, reader)
    assert (override.where, override.wins) == (str(path), True)


def test_with_a_token_nothing_is_written_because_pixi_would_not_send_it(tmp_path: Path) -> None:
    """A mirror's user and password stay out of the request; what follows is a 401, no retry."""
    program(tmp_path)
    gateway = GatewayAddress("127.0.0.1", 17223, "t0k")
    assert enable(place(tmp_path), gateway=gateway) is None
    (override,) = PixiActivation().overrides(place(tmp_path), gateway, reader)
    assert "token" in override.what
    assert "t0k" not in repr(override)
    where = place(tmp_path, command=("pixi", "install"))
    assert PixiActivation().environment(where, gateway, ORIGINS, reader, tmp_path) == ({}, ())


@pytest.mark.parametrize("key", ["conda.anaconda.org", "*.anaconda.org", "*.org"])
def test_a_host_that_pixi_has_a_credential_for_is_left_to_pixi(tmp_path: Path, key: str) -> None:
    program(tmp_path)
    store = put(
        tmp_path / "home/.rattler/credentials.json", json.dumps({key: {"CondaToken": "s3cret"}})
    )
    assert enable(place(tmp_path)) is None
    (override,) = PixiActivation().overrides(place(tmp_path), GATEWAY, reader)
    assert override.where == str(store)
    assert "s3cret" not in repr(override)


def test_a_credential_for_another_host_does_no_harm(tmp_path: Path) -> None:
    program(tmp_path)
    put(tmp_path / "home/.rattler/credentials.json", '{"anaconda.org": {}, "*.example": {}}')
    put(tmp_path / "home/.netrc", "machine other.example login me password pw\n")
    assert enable(place(tmp_path)) is not None
    put(tmp_path / "home/.netrc", "machine conda.anaconda.org login me password pw\n")
    assert enable(place(tmp_path)) is None


def test_a_proxy_of_the_environment_that_would_get_loopback_is_refused(tmp_path: Path) -> None:
    program(tmp_path)
    env = {"HTTP_PROXY": "http://proxy.example:3128"}
    with pytest.raises(ConfigurationError, match="HTTP_PROXY"):
        enable(place(tmp_path, env))
    (override,) = PixiActivation().overrides(place(tmp_path, env), GATEWAY, reader)
    assert override.where == "HTTP_PROXY"
    assert enable(place(tmp_path, {**env, "NO_PROXY": "127.0.0.1"})) is not None


def test_a_proxy_of_pixis_own_that_would_get_loopback_is_refused(tmp_path: Path) -> None:
    path = put(config(tmp_path), '[proxy-config]\nhttp = "http://proxy.example:3128"\n')
    with pytest.raises(ConfigurationError, match="proxy"):
        enable(place(tmp_path))
    (override,) = PixiActivation().overrides(place(tmp_path), GATEWAY, reader)
    assert override.where == str(path)
    # Variables win over the file.
    env = {"HTTPS_PROXY": "http://proxy.example:3128"}
    assert enable(place(tmp_path, env)) is not None
    put(path, path.read_text() + 'non-proxy-hosts = ["127.0.0.1"]\n')
    assert enable(place(tmp_path)) is not None
    put(path, '[proxy-config]\nhttps = "http://proxy.example:3128"\n')
    assert enable(place(tmp_path)) is not None


def test_withdraw_after_pixi_wrote_its_file_anew(tmp_path: Path) -> None:
    before = b'[mirrors]\n"https://a.example" = ["https://b.example"]\n'
    put(config(tmp_path), before.decode())
    after = (enable(place(tmp_path)) or "").encode()
    rewritten = (
        f'default-channels = ["bioconda"]\n\n[mirrors]\n"https://a.example/" = '
        f'["https://b.example/"]\n"{CONDA}" = [\n    "{MIRRORS[0]}",\n    "{CONDA}",\n]\n'
    ).encode()
    result = PixiActivation().withdraw(config(tmp_path), before, after, rewritten)
    assert result == rewritten.partition(f'"{CONDA}"'.encode())[0]
    # Nothing is left of the table that was only ours.
    alone = b"[mirrors]\n" + LINE.encode()
    now = b"offline = true\n\n" + alone.partition(b" #")[0] + b"\n"
    result = PixiActivation().withdraw(config(tmp_path), None, alone, now)
    assert (result or b"").strip() == b"offline = true"


def test_withdraw_leaves_what_the_user_put_in_place_of_ours(tmp_path: Path) -> None:
    after = f"[mirrors]\n{LINE}".encode()
    now = f'[mirrors]\n"{CONDA}" = ["https://near.example/"]\n'.encode()
    assert PixiActivation().withdraw(tmp_path, None, after, now) == now
    assert PixiActivation().withdraw(tmp_path, None, now, now) == now
    assert PixiActivation().withdraw(tmp_path, None, after, b"[mirrors\n") is None
    assert PixiActivation().withdraw(tmp_path, None, after, after) == b""


@pytest.mark.parametrize(
    ("settings", "urls"),
    [
        ("", {"https://conda.anaconda.org": False}),
        ('default-channels = ["bioconda", "conda-forge/label/dev"]\n', {ORIGINS[0].url: False}),
        (
            'default-channels = ["https://corp.example/conda/main", "https://prefix.dev/x"]\n',
            {"https://corp.example": True, "https://prefix.dev": False},
        ),
        (
            (
                'default-channels = ["https://me:pw@corp.example/main", "./here", '
                '"file:///srv/c", "https://conda.anaconda.org/t/s3cret/mine"]\n'
            ),
            {},
        ),
    ],
)
def test_pixi_uses_the_hosts_of_its_default_channels(
    tmp_path: Path, settings: str, urls: dict[str, bool]
) -> None:
    path = put(config(tmp_path), settings)
    found = PixiActivation().discover(place(tmp_path), reader)
    assert {each.origin.url: each.origin.private for each in found} == urls
    assert {each.where for each in found} <= {str(path), "pixi's own default"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pixi.toml", '[workspace]\nchannels = ["https://prefix.dev/robostack", "conda-forge"]\n'),
        (
            "pixi.toml",
            '[project]\nchannels = [{ channel = "https://prefix.dev/x", priority = 1 }]\n',
        ),
        ("pyproject.toml", '[tool.pixi.workspace]\nchannels = ["https://prefix.dev/x"]\n'),
    ],
)
def test_run_knows_the_projects_channels_too(tmp_path: Path, name: str, text: str) -> None:
    program(tmp_path)
    put(tmp_path / "work" / name, text)
    found = PixiActivation().discover(place(tmp_path, command=("pixi", "install")), reader)
    assert [each.origin.url for each in found] == [ORIGINS[0].url, "https://prefix.dev"]
    assert found[1].where == str(tmp_path / "work" / name)
    (found_on,) = PixiActivation().discover(place(tmp_path), reader)
    assert found_on.origin == ORIGINS[0]


def test_our_own_entry_is_no_setting_of_the_users(tmp_path: Path) -> None:
    put(config(tmp_path), f"[mirrors]\n{LINE}")
    (found,) = PixiActivation().discover(place(tmp_path), reader)
    assert (found.origin.url, found.where) == (ORIGINS[0].url, "pixi's own default")


def test_run_gives_pixi_one_file_that_says_all_and_our_mirrors(tmp_path: Path) -> None:
    program(tmp_path)
    text = "# mine\ntls-no-verify = false\n[repodata-config]\ndisable-zstd = true\n"
    put(tmp_path / "home/.config/pixi/config.toml", text)
    where = place(tmp_path, command=("pixi", "install"))
    scratch = tmp_path / "scratch"
    variables, (edit,) = PixiActivation().environment(where, GATEWAY, ORIGINS, reader, scratch)
    assert variables == {"PIXI_CONFIG_FILE": str(edit.path)}
    assert (edit.path.parent, edit.private, edit.before) == (scratch, True, None)
    assert edit.after == f"{text}\n[mirrors]\n{LINE}".encode()
    put(
        config(tmp_path),
        "detached-environments = true\n[repodata-config]\ndisable-sharded = true\n",
    )
    _, (edit,) = PixiActivation().environment(where, GATEWAY, ORIGINS, reader, scratch)
    assert tomllib.loads((edit.after or b"").decode()) == {
        "tls-no-verify": False,
        "detached-environments": True,
        "repodata-config": {"disable-zstd": True, "disable-sharded": True},
        "mirrors": {CONDA: MIRRORS},
    }


@pytest.mark.parametrize(
    ("command", "env"),
    [
        (("make",), {}),
        (("pixi", "--no-config", "install"), {}),
        (("pixi", "install", "--config-file=x.toml"), {}),
        (("pixi", "install"), {"PIXI_NO_CONFIG": "1"}),
    ],
)
def test_run_leaves_a_command_alone_that_reads_no_such_file(
    tmp_path: Path, command: tuple[str, ...], env: dict[str, str]
) -> None:
    program(tmp_path)
    where = place(tmp_path, env, command=command)
    assert PixiActivation().environment(where, GATEWAY, ORIGINS, reader, tmp_path) == ({}, ())


def test_variables_that_replace_pixis_files_are_told(tmp_path: Path) -> None:
    program(tmp_path)
    env = {"PIXI_CONFIG_FILE": "/elsewhere.toml", "PIXI_NO_CONFIG": "off"}
    (override,) = PixiActivation().overrides(place(tmp_path, env), GATEWAY, reader)
    assert (override.where, override.hint) == ("PIXI_CONFIG_FILE", "unset PIXI_CONFIG_FILE")


def test_where_pixis_files_lie(tmp_path: Path) -> None:
    def files(platform: str, env: dict[str, str]) -> list[Path]:
        return PixiActivation().user_files(place(tmp_path, env, platform=platform))

    home, xdg = tmp_path / "home", tmp_path / "x"
    last = home / ".pixi/config.toml"
    assert files("linux", {}) == [home / ".config/pixi/config.toml", last]
    assert files("linux", {"XDG_CONFIG_HOME": str(xdg)}) == [xdg / "pixi/config.toml", last]
    library = home / "Library/Application Support/pixi/config.toml"
    env = {"XDG_CONFIG_HOME": str(xdg), "PIXI_HOME": str(tmp_path / "p")}
    assert files("darwin", env) == [xdg / "pixi/config.toml", library, tmp_path / "p/config.toml"]
    assert files("win32", {"APPDATA": str(xdg)}) == [xdg / "pixi/config.toml", last]
    system = place(tmp_path, scope=Scope.SYSTEM)
    assert PixiActivation().file(system, reader) == Path("/etc/pixi/config.toml")
    assert RattlerActivation().file(system, reader) == Path("/etc/rattler/config.toml")


def test_pixis_file_is_the_one_that_pixi_itself_would_edit(tmp_path: Path) -> None:
    program(tmp_path)
    activation, where = PixiActivation(), place(tmp_path)
    assert activation.file(where, reader) == config(tmp_path)
    other = put(tmp_path / "home/.config/pixi/config.toml", "")
    assert activation.file(where, reader) == other


def test_rattler_build_gets_the_entry_in_the_file_that_it_shares(tmp_path: Path) -> None:
    activation, where = RattlerActivation(), place(tmp_path)
    assert activation.enable(where, GATEWAY, ORIGINS, reader) == ()
    program(tmp_path, "rattler-build")
    (edit,) = activation.enable(where, GATEWAY, ORIGINS, reader)
    assert edit.path == tmp_path / "home/.config/rattler/config.toml"
    assert edit.after == f"[mirrors]\n{LINE}".encode()
    put(edit.path, edit.after.decode())
    assert activation.standing(where, GATEWAY, reader) is Standing.ROUTED
    assert activation.standing(where, None, reader) is Standing.NOT_ROUTED
    own = put(
        tmp_path / "home/.rattler-build/config.toml",
        f'[mirrors]\n"{CONDA}" = ["https://near.example/"]\n',
    )
    assert activation.standing(where, GATEWAY, reader) is Standing.NOT_ROUTED
    (override,) = activation.overrides(where, GATEWAY, reader)
    assert override.where == str(own)


def test_run_gives_rattler_build_one_more_shared_file(tmp_path: Path) -> None:
    program(tmp_path, "rattler-build")
    env = {"RATTLER_HOME": str(tmp_path / "r"), "HTTP_PROXY": "http://proxy.example:3128"}
    put(tmp_path / "r/config.toml", "tls-no-verify = false\n")
    where = place(tmp_path, env, command=("rattler-build", "build"))
    variables, (edit,) = RattlerActivation().environment(where, GATEWAY, ORIGINS, reader, tmp_path)
    assert variables["RATTLER_HOME"] == str(edit.path.parent)
    assert variables["NO_PROXY"] == "127.0.0.1,localhost,::1"
    assert edit.after == f"tls-no-verify = false\n\n[mirrors]\n{LINE}".encode()
    where = place(tmp_path, command=("make",))
    assert RattlerActivation().environment(where, GATEWAY, ORIGINS, reader, tmp_path) == ({}, ())


def test_a_file_that_pixi_cannot_read_is_refused(tmp_path: Path) -> None:
    put(config(tmp_path), "[mirrors\n")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        enable(place(tmp_path))


def test_a_list_that_is_set_stands_on_a_marked_line(tmp_path: Path) -> None:
    keys = ("mirrors", CONDA)
    after = toml_text.set_key(b"", keys, MIRRORS, tmp_path)
    assert toml_text.get_list(after, keys, tmp_path) == MIRRORS
    assert toml_text.get(after, keys, tmp_path) is None
    assert toml_text.is_marked(after, keys, tmp_path)
    assert not toml_text.is_marked(after.partition(b" #")[0], keys, tmp_path)
    assert toml_text.unset_key(after, keys, ["https://old.example/"], tmp_path).startswith(
        f'[mirrors]\n"{CONDA}" = ["https://old.example/"]'.encode()
    )


BESIDE = {
    "no check of certificates": ("tls-no-verify = true\n", "tls-no-verify", {}),
    "its older spelling": ("tls_no_verify = true\n", "tls-no-verify", {}),
    "a proxy": ('[proxy-config]\nhttp = "http://p.example:1"\n', "", {}),
    "a proxy that excepts everything but addresses": (
        '[proxy-config]\nhttp = "http://p.example:1"\nnon-proxy-hosts = ["*"]\n',
        "",
        {},
    ),
    "a proxy of the environment": (
        "",
        "",
        {"HTTP_PROXY": "http://p.example:1", "NO_PROXY": "*"},
    ),
}


@pytest.mark.parametrize("tool", [PixiActivation(), RattlerActivation()], ids=lambda t: t.tool)
@pytest.mark.parametrize(("text", "what", "env"), BESIDE.values(), ids=BESIDE.keys())
def test_what_the_gateway_cannot_take_over_leaves_the_tool_alone(
    tmp_path: Path, tool: RattlerActivation, text: str, what: str, env: dict[str, str]
) -> None:
    program(tmp_path, tool.tool)
    where = place(tmp_path, env)
    put(tool.file(where, reader), text)
    if what:
        assert tool.enable(where, GATEWAY, ORIGINS, reader) == ()
    else:
        with pytest.raises(ConfigurationError, match="proxy"):
            tool.enable(where, GATEWAY, ORIGINS, reader)
    told = tool.overrides(where, GATEWAY, reader)
    assert [each for each in told if what in each.what and each.wins]


@pytest.mark.parametrize("tool", [PixiActivation(), RattlerActivation()], ids=lambda t: t.tool)
def test_what_stands_beside_and_goes_along_keeps_nothing_out(
    tmp_path: Path, tool: RattlerActivation
) -> None:
    program(tmp_path, tool.tool)
    where = place(tmp_path)
    text = (
        'tls-no-verify = false\n[proxy-config]\nhttps = "http://p.example:1"\n'
        'http = "http://p.example:1"\nnon-proxy-hosts = ["127.0.0.1"]\n'
    )
    put(tool.file(where, reader), text)
    (edit,) = tool.enable(where, GATEWAY, ORIGINS, reader)
    assert b"127.0.0.1:17223" in (edit.after or b"")
    assert not [each for each in tool.overrides(where, GATEWAY, reader) if each.wins]
