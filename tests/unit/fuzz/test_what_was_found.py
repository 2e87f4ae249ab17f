"""Inputs by which the fuzzing run found faults of ours, each mended where it was."""

from __future__ import annotations

import pytest

from fuzz import targets

FOUND = {
    "daemon-json": b'{"registry-mirrors": ["t://[/k"]}',
    "rattler-toml": b'[mirrors]\n"//con.aacon]" = []\n',
    "docker-config": b'{"credsStore": "dsk\\udcd2"}',
    "channel-paths": b"/conda/t:0/t\n",
    "repodata": b'{"packages":{"sr": "c",}}',
    "other-systems": b"o \xc2\xb2",
}


@pytest.mark.parametrize(("name", "data"), FOUND.items())
def test_an_input_that_was_a_fault_is_none(name: str, data: bytes) -> None:
    with targets.every()[name].open() as run:
        run(data)
