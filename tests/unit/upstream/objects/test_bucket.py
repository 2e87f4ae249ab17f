"""What is kept where in a bucket, and that nobody loads a cloud's library who has none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from headrace.errors import LocalError
from headrace.models import Digest
from headrace.upstream.objects.bucket import Bucket, key_of

DIGEST = Digest("sha256", "ab" * 32)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "fleet",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    return Clock()


def test_a_key_is_a_digest_below_a_schema() -> None:
    assert key_of(DIGEST) == f"v1/sha256/ab/{'ab' * 32}"


def test_a_place_is_signed_and_stays_the_same_for_a_while(clock: Clock) -> None:
    bucket = Bucket("s3://fleet-files/lab", clock=clock)
    first = bucket.place(DIGEST)
    assert first is not None
    assert first.startswith(f"http://127.0.0.1:9/fleet-files/lab/{key_of(DIGEST)}?")
    assert "X-Amz-Expires=3600" in first
    assert "hunter2" not in first
    clock.now += 299.0
    assert bucket.place(DIGEST) is first
    clock.now += 2.0
    assert bucket.place(DIGEST) is not first


def test_what_is_not_there_is_not_asked_for_again_for_a_moment(clock: Clock) -> None:
    bucket = Bucket("s3://fleet-files/lab", clock=clock)
    bucket.lacks(DIGEST)
    assert bucket.place(DIGEST) is None
    assert bucket.place(Digest("sha256", "cd" * 32)) is not None
    clock.now += 5.1
    assert bucket.place(DIGEST) is not None


@pytest.mark.parametrize("url", ["s3://", "nonsense", "s4://bucket/prefix"])
def test_a_url_that_is_none_is_told(url: str) -> None:
    with pytest.raises(LocalError) as caught:
        Bucket(url)
    assert caught.value.reference == "bad-bucket"


def test_a_laptop_loads_neither_clouds_nor_metrics(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from headrace.config import Folders, Settings
from headrace.gateway.app import build_app
from headrace.gateway.wiring import assemble
from headrace.interface.manager import Plugins
root = Path(sys.argv[1])
parts = assemble(Settings(), Folders(root, root, root), [], {}, Plugins())
build_app(parts, None)
print([name for name in ("obstore", "prometheus_client", "valkey") if name in sys.modules])
"""
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"
