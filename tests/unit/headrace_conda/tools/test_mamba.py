"""mamba 2 and micromamba: told about, and their settings left as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.interface.hookspecs import Standing
from headrace.models import Origin
from headrace_conda.tools.mamba import MambaActivation
from lib.places import GATEWAY, place, reader

ORIGINS = [Origin("conda", "https://conda.anaconda.org")]


def test_mamba_that_is_not_there_is_not_mentioned(tmp_path: Path) -> None:
    activation, where = MambaActivation(), place(tmp_path)
    assert activation.standing(where, GATEWAY, reader) is Standing.NOT_FOUND
    assert activation.overrides(where, GATEWAY, reader) == ()
    assert activation.discover(where, reader) == ()


@pytest.mark.parametrize("name", ["bin/mamba", "bin/micromamba", "home/.config/mamba/mambarc"])
def test_mamba_is_told_to_go_past_the_gateway_and_nothing_is_edited(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    activation, where = MambaActivation(), place(tmp_path, command=("micromamba", "create"))
    assert activation.standing(where, GATEWAY, reader) is Standing.NOT_ROUTED
    (override,) = activation.overrides(where, GATEWAY, reader)
    assert "conda-meta" in override.what
    assert activation.enable(where, GATEWAY, ORIGINS, reader) == ()
    assert activation.environment(where, GATEWAY, ORIGINS, reader, tmp_path) == ({}, ())
    assert activation.withdraw(path, None, b"ours\n", b"theirs\n") == b"theirs\n"


def test_mamba_on_a_machine_without_conda_has_everybodys_channels_to_be_led_at(
    tmp_path: Path,
) -> None:
    program = tmp_path / "bin" / "micromamba"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    found = MambaActivation().discover(place(tmp_path), reader)
    assert "https://conda.anaconda.org" in {each.origin.url for each in found}
    assert all(each.fronted and not each.origin.private for each in found)
