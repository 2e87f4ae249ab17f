"""What an origin says of a document, read from its headers."""

from __future__ import annotations

import base64
import hashlib

import pytest

from headrace.documents.passthrough_headers import stated_digest
from headrace.models import Digest

SUM = hashlib.sha256(b"repodata")
TEXT = base64.b64encode(SUM.digest()).decode()


@pytest.mark.parametrize(
    "headers",
    [
        {"repr-digest": f"sha-256=:{TEXT}:"},
        {"repr-digest": f"md5=:AAAA:, sha-256=:{TEXT}:;x=1"},
        {"x-amz-checksum-sha256": TEXT},
    ],
)
def test_digest_that_is_stated_counts(headers: dict[str, str]) -> None:
    assert stated_digest(headers) == Digest("sha256", SUM.hexdigest())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"repr-digest": "sha-512=:AAAA:"},
        {"repr-digest": "sha-256=:AAAA:"},
        {"content-digest": f"sha-256=:{TEXT}:"},
        {"x-amz-checksum-sha256": f"{TEXT}-3"},
        {"x-amz-checksum-sha256": "%%%"},
        {"etag": f'"{SUM.hexdigest()}"'},
    ],
)
def test_anything_else_proves_nothing(headers: dict[str, str]) -> None:
    assert stated_digest(headers) is None
