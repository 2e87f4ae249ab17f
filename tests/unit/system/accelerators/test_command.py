"""``python -m headrace.system.accelerators`` shows a host as JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from headrace.system.accelerators.detection import detect
from headrace.system.accelerators.records import accelerator_of, host_of
from headrace.variants.hosts import Host, Situation
from lib.gpu.hosts import Box


def test_the_command_prints_the_host(nvml: Box) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "headrace.system.accelerators", "--root", str(nvml.root)],
        env={**nvml.env, "HEADRACE_HOME": str(nvml.root)},
        capture_output=True,
        text=True,
        check=True,
    )
    shown = json.loads(done.stdout)
    assert [gpu["capability"] for gpu in shown["accelerators"]] == [[7, 0], [12, 0]]
    assert shown["driver"] == "580.95.05"


def test_a_host_goes_through_json_and_back(nvml: Box) -> None:
    host = detect(nvml.see(CUDA_VERSION="12.8"))
    assert host_of(json.loads(json.dumps(asdict(host)))) == host
    empty = Host(situation=Situation.LOGIN_NODE, os_version=(14, 5), cuda=(12, 10))
    assert host_of(json.loads(json.dumps(asdict(empty)))) == empty


@pytest.mark.parametrize(
    "junk", [None, [], {"maker": "nvidia"}, {"maker": 1, "name": "x"}, {"maker": "a", "name": "b",
             "memory": "much"}, {"maker": "a", "name": "b", "price": 3}],
)  # fmt: skip
def test_what_is_no_accelerator_is_refused(junk: object) -> None:
    with pytest.raises(ValueError, match="is no accelerator"):
        accelerator_of(junk)
