"""Settings: every mistake is named with its key, and nothing is guessed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from headrace import setting_rules
from headrace.config import DEFAULT_PORT, Folders, Settings, environment
from headrace.errors import ConfigurationError
from headrace.models import OperatorClass


def load(tmp_path: Path, text: str | None, **env: str) -> Settings:
    folders = Folders.of_user({"HEADRACE_HOME": str(tmp_path)})
    if text is not None:
        folders.config.mkdir(parents=True, exist_ok=True)
        (folders.config / "config.toml").write_text(text)
    return Settings.load(folders, env)


def test_no_file_means_the_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, None)
    assert settings.port == DEFAULT_PORT
    assert not settings.port >= 32768
    assert settings.catalogue


def test_an_own_mirror_has_the_organisations_standing(tmp_path: Path) -> None:
    text = '[[mirror]]\nid = "campus"\nurl = "https://mirror.campus.example/pypi/"\n'
    (mirror,) = load(tmp_path, text).mirrors
    assert mirror.url == "https://mirror.campus.example/pypi"
    assert mirror.operator_class is OperatorClass.ORGANISATION
    assert not mirror.gives_documents


def test_an_own_mirror_may_carry_only_some(tmp_path: Path) -> None:
    text = "[[mirror]]\nid = 'campus'\nurl = 'https://m.example'\ncarries = ['a/*', '!a/b']\n"
    (mirror,) = load(tmp_path, text).mirrors
    assert mirror.carries == ("a/*", "!a/b")


def test_an_origin_can_be_called_public(tmp_path: Path) -> None:
    text = 'public_origins = ["https://a.example/x/", "http://b.example:81"]\n'
    assert load(tmp_path, text).public_origins == {"https://a.example/x", "http://b.example:81"}
    assert load(tmp_path, "").public_origins == frozenset()


@pytest.mark.parametrize(
    "url",
    [
        "a.example",
        "ftp://a.example",
        "https:///x",
        "https://a.example:port",
        "https://[a",
        "https://user:hunter2@a.example",
        "https://hunter2@a.example",
        "https://a.example/t/hunter2/x",
        "https://a.example/?token=hunter2",
    ],
)
def test_a_public_origin_is_an_address_without_secrets(tmp_path: Path, url: str) -> None:
    with pytest.raises(ConfigurationError, match="public_origins must be") as caught:
        load(tmp_path, f"public_origins = ['{url}']\n")
    assert "hunter2" not in str(caught.value)


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, "port = 4000\n", HEADRACE_PORT="5000").port == 5000


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("port = 70000\n", "port must be a whole number from 0 to 65535 (a port)"),
        ('port = "x"\n', "port must be a whole number"),
        ("port = 1.0\n", "port must be a whole number"),
        ("downloads = -1\n", "downloads must be a whole number from 1 to 1024"),
        ("connections = 0\n", "connections must be a whole number from 1 to 1024"),
        ("connections_per_mirror = true\n", "connections_per_mirror must be a whole number"),
        ("store_limit = 99999999999999999999\n", "store_limit must be a whole number from 0"),
        ("disk_reserve = 1.5\n", "disk_reserve must be a number from 0 to 1 (a share of the disk)"),
        ("disk_reserve = nan\n", "disk_reserve must be a number from 0 to 1"),
        (
            "provisional_after = inf\n",
            "provisional_after must be a number from 0 to 3600 (seconds)",
        ),
        ("provisional_after = 'x'\n", "provisional_after must be a number"),
        ("catalogue = 1\n", "catalogue must be true or false"),
        ('documents = "mirror"\n', "documents must be 'origin' or 'provisional'"),
        ("documents = 1\n", "documents must be a string"),
        ('variants = "cuda"\n', "variants must be 'auto', 'off', or a label"),
        ("target = []\n", "target must be a string"),
        ('disabled_mirrors = "a"\n', "disabled_mirrors must be a list"),
        ("enabled_mirrors = [1]\n", "enabled_mirrors must be a list"),
        ("also = {}\n", "also must be a list"),
        ("unknown = 1\n", "unknown is not a setting"),
        ("mirror = 5\n", "mirror must be tables"),
        ("mirror = ['x']\n", "mirror must be tables"),
        ("[[mirror]]\nid = 'x'\n", "mirror x: url is missing"),
        ("[[mirror]]\nurl = 'https://m'\n", "mirror of no id: id is missing"),
        ("[[mirror]]\nid=''\nurl='https://m'\n", "mirror of no id: id must be a word"),
        ("[[mirror]]\nid='x'\nurl='u'\n", "mirror x: url must be an http or https address"),
        ("[[mirror]]\nid='x'\nurl='https://['\n", "mirror x: url must be an http"),
        ("[[mirror]]\nid='x'\nurl='http://h:99999'\n", "mirror x: url must be an http"),
        ("[[mirror]]\nid='x'\nurl='https://m'\ncarries='a'\n", "carries must be a list of strings"),
        ("[[mirror]]\nid='x'\nurl='https://m'\ncarries=[1]\n", "carries must be a list of strings"),
        ("[[mirror]]\nid='x'\nurl='https://m'\nconnections=inf\n", "connections must be a whole"),
        ("[[mirror]]\nid='x'\nurl='https://m'\nconnections=0\n", "number from 1 to 64"),
        ("[[mirror]]\nid='x'\nurl='https://m'\nrank='a'\n", "rank must be a whole number"),
        ("[[mirror]]\nid='x'\nurl='https://m'\nlogin=1\n", "login must be true or false"),
        ("[[mirror]]\nid='x'\nurl='https://m'\nlayout=[]\n", "layout must be a word"),
        ("[[mirror]]\nid='x'\nurl='https://m'\noperator_class='king'\n", "one of official"),
        ('public_origins = "https://a.example"\n', "public_origins must be a list"),
        ('origins = ["python"]\n', "origins must be texts as ECOSYSTEM/NAME=URL"),
        ('origins = ["python=https://["]\n', "origins must be texts"),
        ('origins = ["=https://a"]\n', "origins must be texts"),
        ("a = " + "[" * 5000, "nested too deep"),
        ("a" + ".a" * 5000 + " = 1", "more than 1000 dots"),
        ("port = \n", "cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert named in caught.value.message
    assert "config.toml" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("port", ["x", "-1", "65536", "1" * 5000, "\u0661", "\u00b2"])
def test_a_port_that_is_none_names_its_variable(tmp_path: Path, port: str) -> None:
    with pytest.raises(ConfigurationError, match="HEADRACE_PORT must be a whole number from 0"):
        load(tmp_path, None, HEADRACE_PORT=port)


def test_every_number_has_its_range() -> None:
    fields = dataclasses.fields(Settings)
    numbers = {f.name for f in fields if str(f.type).split(" | ")[0] in ("int", "float")}
    assert numbers == setting_rules.RANGES.keys()
    for name, (least, most, _) in setting_rules.RANGES.items():
        default = getattr(Settings(), name)
        assert default is None or least <= default <= most


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "config" / "config.toml"
    path.parent.mkdir()
    path.write_bytes(b"port = \xff")
    with pytest.raises(ConfigurationError, match=r"config\.toml cannot be read"):
        load(tmp_path, None)


def test_a_whole_number_will_do_for_seconds(tmp_path: Path) -> None:
    assert load(tmp_path, "provisional_after = 2\n").provisional_after == 2.0


def test_the_environment_is_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_PORT", "1")
    copy = environment()
    copy["HEADRACE_PORT"] = "2"
    assert environment()["HEADRACE_PORT"] == "1"


def test_more_origins_have_no_password(tmp_path: Path) -> None:
    text = 'origins = ["docker/registry.example=https://registry.example"]\n'
    assert load(tmp_path, text).origins == {"docker/registry.example=https://registry.example"}
    with pytest.raises(ConfigurationError, match="without user") as caught:
        load(tmp_path, 'origins = ["python=https://me:hunter2@index.example"]\n')
    assert "hunter2" not in str(caught.value)


def test_a_user_without_a_home_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number that no account has, as containers get, and no HOME."""

    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    with pytest.raises(ConfigurationError, match="no home folder") as told:
        Folders.of_user({})
    assert "set HOME" in told.value.hint
    assert Folders.of_user({"HEADRACE_HOME": "/x"}).state == Path("/x/state")
