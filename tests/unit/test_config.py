"""Settings: every mistake is named with its key, and nothing is guessed."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        ("port = 70000\n", "port is not a port"),
        ('port = "x"\n', "port must be a int"),
        ("downloads = -1\n", "downloads must not be negative"),
        ("catalogue = 1\n", "catalogue must be a bool"),
        ('documents = "mirror"\n', "documents is neither"),
        ('disabled_mirrors = "a"\n', "disabled_mirrors must be a list"),
        ("unknown = 1\n", "unknown is not a setting"),
        ("[[mirror]]\nid = 'x'\n", "mirror has a wrong or missing field"),
        ("[[mirror]]\nid='x'\nurl='u'\ncarries='a'\n", "carries must be a list of strings"),
        ("[[mirror]]\nid='x'\nurl='u'\ncarries=[1]\n", "carries must be a list of strings"),
        ('public_origins = "https://a.example"\n', "public_origins must be a list"),
        ("[[mirror]]\nid='x'\nurl='u'\noperator_class='king'\n", "mirror has a wrong"),
        ("port = \n", "cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text)
    assert named in caught.value.message
    assert "config.toml" in caught.value.message
    assert caught.value.hint


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
