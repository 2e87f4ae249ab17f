"""What stands beside the drop-in, or takes conda past it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace.errors import HeadraceError
from headrace.interface.hookspecs import Override, Place
from headrace_conda.tools import bases
from headrace_conda.tools.conda import CondaActivation
from lib.conda.bases import at, stand_in
from lib.places import GATEWAY, reader

ALIAS = {"scheme": "https", "location": "conda.anaconda.org", "name": "", "auth": None}
CONFIG = {"channels": ["conda-forge"], "channel_alias": ALIAS}
TUNA = "https://mirrors.tuna.tsinghua.edu.cn/anaconda/cloud/conda-forge"


@pytest.fixture(autouse=True)
def asked_anew() -> None:
    bases._seen.cache_clear()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return stand_in(tmp_path / "base", answers={"config": CONFIG})


def overrides(where: Place) -> list[Override]:
    return list(CondaActivation().overrides(where, GATEWAY, reader))


@pytest.mark.parametrize(
    ("env", "wins"),
    [({"CONDA_NO_PLUGINS": "true"}, [True]), ({"CONDA_NO_PLUGINS": "false"}, []), ({}, [])],
)
def test_a_conda_without_plugins_goes_past_us(
    tmp_path: Path, base: Path, env: dict[str, str], wins: list[bool]
) -> None:
    assert [each.wins for each in overrides(at(tmp_path, base, env=env))] == wins


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"channels": ["https://conda.corp.example/x"]}, "a channel of your own"),
        ({"channels": ["https://u:pw@conda.corp.example/x"]}, "a channel of your own"),
        ({"channels": [TUNA]}, "is a mirror"),
        ({"channel_settings": [{"channel": "x", "auth": "basic"}]}, "an auth handler of its own"),
        (
            {
                "channel_settings": [
                    {"channel": "https://conda.anaconda.org/*", "auth": "headrace"},
                    {"channel": "conda-forge", "exclude_newer": "7d"},
                ]
            },
            "in place of headrace's",
        ),
    ],
)
def test_status_tells_what_stands_beside_us_without_secrets(
    tmp_path: Path, settings: dict[str, Any], word: str
) -> None:
    base = stand_in(tmp_path / "base", answers={"config": {**CONFIG, **settings}})
    (told,) = overrides(at(tmp_path, base))
    assert word in told.what
    assert not told.wins
    assert "pw" not in repr(told)


def test_an_entry_that_ours_comes_after_is_no_matter(tmp_path: Path) -> None:
    entries = [
        {"channel": "conda-forge", "exclude_newer": "7d"},
        {"channel": "https://conda.anaconda.org/*", "auth": "headrace"},
    ]
    answers = {"config": {**CONFIG, "channel_settings": entries}}
    assert overrides(at(tmp_path, stand_in(tmp_path / "base", answers=answers))) == []


def test_a_conda_that_cannot_speak_is_told_of_in_its_own_words(tmp_path: Path) -> None:
    base = stand_in(tmp_path / "base", answers={"config": {"error": "bad condarc"}})
    with pytest.raises(HeadraceError, match="cannot say which channels") as caught:
        CondaActivation().discover(at(tmp_path, base), reader)
    assert str(base) in caught.value.hint
    assert overrides(at(tmp_path, base)) == []


def test_a_channel_that_the_settings_call_public_and_on_led_to_us_is_no_matter(
    tmp_path: Path,
) -> None:
    entries = [{"channel": "https://conda.corp.example/*", "auth": "headrace"}]
    settings = {"channels": ["https://conda.corp.example/x"], "channel_settings": entries}
    base = stand_in(tmp_path / "base", answers={"config": {**CONFIG, **settings}})
    assert overrides(at(tmp_path, base)) == []
