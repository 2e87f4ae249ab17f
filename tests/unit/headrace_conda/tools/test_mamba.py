"""mamba 2 and micromamba: told about, and left as they are."""

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
    assert activation.discover(where, reader) == ()
    assert activation.environment(where, GATEWAY, ORIGINS, reader, tmp_path) == ({}, ())
    assert activation.withdraw(path, None, b"ours\n", b"theirs\n") == b"theirs\n"
