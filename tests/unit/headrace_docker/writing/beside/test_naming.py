"""Names of folders as labels, and whose GPUs an image is for."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headrace_docker.writing.beside.naming import gpu_maker, label
from lib.images.written import BASES


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lab", "lab"),
        ("My Work_2", "my-work-2"),
        ("Übung", "ubung"),
        ("résumé.d", "resume-d"),
        ("2026", "image-2026"),
        ("名字", "work"),
        ("--a--", "a"),
        ("", "work"),
        ("..", "work"),
        ("null", "null"),
    ],
)
def test_a_folders_name_becomes_one_that_everybody_takes(name: str, expected: str) -> None:
    assert label(name) == expected


@given(st.text(), st.sampled_from(["", "-ssh-host-keys"]))
@example("a" * 62 + "-b", "")
@example("a" * 48 + "-b", "-ssh-host-keys")
@example("ⓐ½ﬁ²", "")
def test_every_name_is_a_label_of_rfc_1123_that_begins_with_a_letter(name: str, end: str) -> None:
    made = label(name, end)
    assert re.fullmatch(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?", made), made
    assert made.endswith(end)
    assert label(made) == made


def test_an_image_is_for_the_gpus_that_it_was_found_for() -> None:
    assert {base: gpu_maker(image) for base, image in BASES.items()} == {
        "nvidia": "nvidia",
        "ngc": "nvidia",
        "rocky": "nvidia",
        "amd": "amd",
        "intel": "intel",
        "none": "",
    }
