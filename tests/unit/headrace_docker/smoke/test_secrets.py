"""An image that holds a secret is told, by what an engine says of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headrace.interface import ImageTrial
from headrace.variants.hosts import Host
from headrace_docker.pulling.commands import ENGINES, EngineCommands
from headrace_docker.smoke.trial import secrets_in
from lib.places import place

TOKEN = "hf_" + "aB3dE6gH9" * 4
#: As docker 20.10 and podman 4.3 tell it.
SETTINGS = {"Env": ["PATH=/usr/bin", f"HF_TOKEN={TOKEN}"], "Cmd": ["bash"], "Labels": None}
STEPS = (
    "RUN /bin/sh -c <<EOF\nset -e\nmake\nEOF",
    "RUN /bin/sh -c <<EOF\npip install -i https://me:s3cretword@pypi.acme.example/simple x\nEOF",
    "/bin/sh -c #(nop) ADD file:1 in /",
)


def engine_that_says(folder: Path, settings: str) -> EngineCommands:
    program = folder / "engine"
    (folder / "settings").write_text(settings)
    (folder / "steps").write_text("\n".join(map(json.dumps, STEPS)))
    program.write_text(
        f'#!/bin/sh\ncase "$1" in image) cat {folder}/settings;; *) cat {folder}/steps;; esac\n'
    )
    program.chmod(0o755)
    return EngineCommands("docker", str(program))


def told(engine: EngineCommands, folder: Path) -> list[str]:
    trial = ImageTrial("me/x", "", place(folder, {"PATH": "/usr/bin:/bin"}), Host, lambda _: None)
    return [each.text for each in secrets_in(engine, "me/x", trial)]


def test_variables_and_steps_are_told_and_what_they_hold_is_not(tmp_path: Path) -> None:
    texts = told(engine_that_says(tmp_path, json.dumps(SETTINGS)), tmp_path)
    assert [text.partition(", in ")[2].partition(":")[0] for text in texts] == [
        "ENV HF_TOKEN",
        "step 2",
    ]
    assert not any(TOKEN in text or "s3cretword" in text for text in texts)


def test_engine_without_a_word_for_it_says_that_nobody_looked(tmp_path: Path) -> None:
    (text,) = told(EngineCommands("ctr", "ctr"), tmp_path)
    assert text == "ctr has no word that tells an image's variables and steps"


@pytest.mark.parametrize("said", ["", "null", "[]", "no such image"])
def test_what_an_engine_does_not_tell_is_no_fault_of_the_image(tmp_path: Path, said: str) -> None:
    engine = engine_that_says(tmp_path, said)
    (tmp_path / "steps").write_text("")
    assert told(engine, tmp_path) == []


@pytest.mark.parametrize("name", ENGINES)
def test_engines_are_asked_of_that_image(name: str) -> None:
    engine = EngineCommands(name, name)
    for words in (engine.settings("me/x"), engine.steps("me/x")):
        assert words[-1:] == (() if name == "ctr" else ("me/x",))
