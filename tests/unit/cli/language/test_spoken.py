"""Which language is spoken: gettext's variables, and what the streams can show."""

from __future__ import annotations

import subprocess
import sys

import pytest

from headrace.cli.language.spoken import catalogue_of


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({}, ""),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_CN.GB18030@pinyin"}, "zh_CN"),
        ({"LANG": "zh-Hans"}, "zh_CN"),
        ({"LANG": "zh_SG.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_TW.UTF-8"}, ""),
        ({"LANG": "de_DE.UTF-8"}, ""),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, ""),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, ""),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "POSIX"}, ""),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh_CN"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh_CN"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_TW:zh_CN:en"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en:zh_CN"}, ""),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "fr:de"}, ""),
        ({"LC_ALL": "C", "LANGUAGE": "zh_CN"}, ""),
        ({"LANGUAGE": "zh_CN"}, ""),
    ],
)
def test_the_language_is_the_one_that_gettext_would_take(env: dict[str, str], name: str) -> None:
    assert catalogue_of(env) == name


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"LANG": "zh_CN.UTF-8", "PYTHONIOENCODING": "utf-8"}, "未接入"),
        ({"LANG": "zh_CN.GBK", "PYTHONIOENCODING": "gbk"}, "未接入"),
        # Nothing is shown by numbers that could be shown in English.
        ({"LANG": "zh_CN.UTF-8", "PYTHONIOENCODING": "ascii"}, "not routed"),
        ({"LANG": "zh_CN.UTF-8", "PYTHONIOENCODING": "latin-1"}, "not routed"),
        ({"LC_ALL": "C", "PYTHONIOENCODING": "utf-8"}, "not routed"),
    ],
)
def test_what_a_stream_cannot_show_is_said_in_english(env: dict[str, str], said: str) -> None:
    told, _ = _in_a_process(env)
    assert told.decode(env["PYTHONIOENCODING"]).strip() == said


def test_who_reads_english_pays_nothing() -> None:
    _, loaded = _in_a_process({"LANG": "en_US.UTF-8", "PYTHONIOENCODING": "utf-8"})
    assert "gettext" not in loaded
    assert "headrace.cli.language.spoken" in loaded
    assert not {"headrace.cli.language.messages", "headrace.cli.language.sentences"} & loaded


def _in_a_process(env: dict[str, str]) -> tuple[bytes, set[str]]:
    """What "not routed" is there, and what was loaded for it."""
    path = [each for each in sys.path if each]
    program = (
        f"import sys; sys.path[:0] = {path!r}\n"
        "from headrace.cli.language.spoken import translated\n"
        "print(translated('not routed')); print(*sys.modules, file=sys.stderr)"
    )
    words = [sys.executable, "-I", "-X", "utf8=0", "-c", program]
    # -I would have PYTHONIOENCODING passed over.
    done = subprocess.run(
        [word for word in words if word != "-I"], capture_output=True, check=True, env=env
    )
    return done.stdout, set(done.stderr.decode("ascii").split())
