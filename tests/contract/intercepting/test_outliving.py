"""A program that outlives the authority of the command that it belongs to."""

from __future__ import annotations

import fcntl
import os
import subprocess
import time
from functools import partial
from pathlib import Path

from headrace.gateway.intercepting.interceptions import Interceptions
from lib import wheels
from lib.serving.certificates import authority
from lib.waiting import HANG
from lib.world import MakeWorld

HOUR = 3600.0
OURS = "this command only"
#: How many hours ago a command was led, and whether its program still is.
AGES = {0.0: True, 23.5: True, 23.8: False, 72.0: False}


def ago(seconds: float) -> float:
    """Give the epoch so long ago."""
    return time.time() - seconds


def test_program_reaches_its_origin_for_longer_than_its_authority_lives(
    world: MakeWorld, tmp_path: Path
) -> None:
    company = authority(tmp_path / "authority")
    made = world(tls=company.server, mirrors=0, env={"SSL_CERT_FILE": str(company.certificate)})
    made.index.add(wheels.wheel("thing", "1.0"))
    led: dict[float, bool] = {}
    runners, trusted = tmp_path / "runners", tmp_path / "trusted.pem"
    with runners.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        for age in AGES:
            # As the gateway began it then, and has it from its file.
            begun = Interceptions(made.gateway.root / "state", clock=partial(ago, age * HOUR))
            token, lead = begun.begin([("127.0.0.1", made.pages.port)], runners, {})
            own = company.certificate.read_text("utf-8")
            trusted.write_text(own + lead.authority.certificate, "utf-8")
            env = {
                **os.environ,
                "https_proxy": f"http://headrace:{token}@127.0.0.1:{made.gateway.port}",
                "CURL_CA_BUNDLE": str(trusted),
            }
            words = ["curl", "-sS", "-w", "%{certs}", f"{made.origin}/thing/"]
            done = subprocess.run(
                words, capture_output=True, text=True, check=False, env=env, timeout=HANG
            )
            assert done.returncode == 0, (age, done.stderr)
            assert "thing-1.0" in done.stdout, age
            # Whose certificate it was shown: ours for the time being, then the origin's own.
            led[age] = OURS in done.stdout
    assert led == AGES
