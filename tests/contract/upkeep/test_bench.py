"""`headrace bench` against an origin and mirrors of different speed, a bounded read of each."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from lib.serving import modes

if TYPE_CHECKING:
    from contract.upkeep.conftest import Bench

THING = "thing-1.0-py3-none-any.whl"


def test_each_source_is_read_from_once_and_the_fastest_stands_first(bench: Bench) -> None:
    near, mute = bench.world.mirrors
    bench.world.files.rate = 1_500_000
    near.rate = 12_000_000
    mute.fail(modes.status(403))
    picture = bench.root / "lines.svg"
    table = bench.json("bench", "python:thing", "--svg", str(picture))
    (result,) = table["results"]
    rows = {each["id"]: each for each in result["sources"]}
    assert result["name"] == THING
    assert rows["mirror0"]["measured"]["rate"] > rows["origin"]["measured"]["rate"] > 0
    assert rows["mirror1"]["measured"]["fault"] == "forbidden"
    assert result["together"]["rate"] > 0
    # Once alone; once together for those that deliver.
    asked = [len(server.requests("*.whl")) for server in (near, mute, bench.world.files)]
    assert asked == [2, 1, 2]
    assert ET.parse(picture).getroot().tag.endswith("svg")
    bench.world.assert_polite()
    told = bench.ok("bench", "thing", "--ecosystem", "python").splitlines()
    assert told[0].startswith(f"python: {THING}")
    names = [line.split()[0] for line in told[1:5]]
    assert names.index("mirror0") < names.index("origin")
    assert names[-1] == "mirror1"
    assert any("through headrace" in line for line in told)


@pytest.mark.nightly
def test_what_cannot_be_measured_says_why_and_what_next(bench: Bench) -> None:
    for words in (["bench", "nothing-of-that-name"], ["bench", "--ecosystem", "docker"]):
        done = bench.run(*words)
        assert done.returncode == 1
        assert "what to do:" in done.stderr
        assert "Traceback" not in done.stderr
    done = bench.run("bench", "--ecosystem", "pyton")
    assert done.returncode == 2
    assert "did you mean 'python'" in done.stderr
    done = bench.run("bench", "thing", "--ecosystem", "python", "--svg", "/no/such/folder/x.svg")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


@pytest.mark.nightly
def test_without_a_gateway_one_is_started_and_nothing_of_it_is_left(bench: Bench) -> None:
    bench.world.gateway.close()
    pip = bench.root / "home" / ".config" / "pip" / "pip.conf"
    pip.parent.mkdir(parents=True)
    pip.write_text(f"[global]\nindex-url = {bench.world.origin}/\n")
    bench.settings.write_text(
        bench.settings.read_text().replace(
            "catalogue = false", f'catalogue = false\npublic_origins = ["{bench.world.origin}"]'
        )
    )
    table = bench.json("bench", "python:thing")
    rows = {each["id"]: each for each in table["results"][0]["sources"]}
    assert rows["mirror0"]["measured"]["rate"] > 0
    assert rows["origin"]["measured"]["rate"] > 0
