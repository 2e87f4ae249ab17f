"""Incidents in another language: the sentences that the code says are known again."""

from __future__ import annotations

import json
import re
from importlib import resources

import pytest

from headrace.gateway.live.incidents import FORMS, form_of

SENTENCES = [
    (
        "mirror tuna is not asked: nobody knows a login for it",
        {"form": "no_login", "mirror": "tuna"},
    ),
    (
        "a.example leads to http://10.0.0.1, which was not asked: 10.0.0.1 is a private address",
        {
            "form": "led_astray",
            "host": "a.example",
            "to": "http://10.0.0.1",
            "why": "10.0.0.1 is a private address",
        },
    ),
    (
        "mirror x gave a page for python/simple/numpy that names other bytes for numpy-2.whl",
        {
            "form": "other_bytes",
            "mirror": "x",
            "page": "python/simple/numpy",
            "file": "numpy-2.whl",
        },
    ),
    (
        "mirror x gave a page for six that lacks 1 file of the origin's and has 0 more",
        {"form": "behind", "mirror": "x", "page": "six", "lacks": "1", "more": "0"},
    ),
    (
        "RuntimeError at /simple/a/",
        {"form": "internal", "error": "RuntimeError", "path": "/simple/a/"},
    ),
    (
        "a.example leads to its name, which was not asked: a.example is at 10.0.0.1",
        {"form": "led_home", "host": "a.example", "why": "a.example is at 10.0.0.1"},
    ),
    ("whatever somebody says", {}),
    ("x" * 100_000, {}),
    ("mirror " * 300, {}),
]


@pytest.mark.parametrize(("sentence", "known"), SENTENCES, ids=lambda value: str(value)[:30])
def test_a_sentence_is_known_by_its_form(sentence: str, known: dict[str, str]) -> None:
    assert form_of(sentence) == known


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("form", FORMS)
def test_each_form_has_words_that_say_all_of_it(form: str, language: str) -> None:
    folder = resources.files("headrace.gateway.live") / "files"
    words = json.loads((folder / f"{language}.json").read_text("utf-8"))[f"i_{form}"]
    assert set(re.findall(r"{(\w+)}", words)) == set(re.compile(FORMS[form]).groupindex)
