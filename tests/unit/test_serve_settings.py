"""What each setting below ``[serve]`` may be."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from headrace.serve_settings import ServeSettings, host_and_port

PATH = Path("config.toml")
WRONG: dict[str, list[Any]] = {
    "listen": [1, "", "8443", "localhost:1", "0.0.0.0", "0.0.0.0:70000", "::1:80", "[1.2.3.4]:1"],
    "certificate": [1],
    "key": [1],
    "client_authorities": [True],
    "behind_proxy": ["yes", 1],
    "trusted_proxies": ["10.0.0.0/8", [1], ["10.0.0.1/8"], ["proxy.example"]],
    "tokens": [[]],
    "networks": [["everywhere"], "10.0.0.0/8"],
    "anonymous": ["all", [1]],
    "metrics": [["x"]],
    "downloads_per_client": [0, 1.5, True, "4"],
    "rate_per_client": [-1, 2.5],
    "rate": [-1, "fast"],
    "access_log": [1],
    "drain": [-1, "soon"],
    "drain_delay": [-1],
    "store": ["/var/lib", "http://bucket", "s3://", "s3:bucket", 1],
    "serve_from": ["s3", 1],
    "shared_state": ["localhost:6379", "valkey://", "http://host"],
    "advertise": ["10.0.0.7:8443", "https://user:hunter2@host", 1],
    "name": [1],
    "replica_secret": [1],
}


def test_every_setting_is_in_the_table() -> None:
    assert WRONG.keys() == {each.name for each in fields(ServeSettings)}


@pytest.mark.parametrize(
    ("key", "value"),
    [(key, value) for key, values in WRONG.items() for value in values],
    ids=str,
)
def test_what_is_wrong_is_told_by_its_name_and_the_rest_counts(key: str, value: Any) -> None:
    settings, (mistake,) = ServeSettings.parse({"drain": 7} | {key: value}, PATH)
    assert mistake.key == f"serve.{key}"
    assert f"config.toml: serve.{key} must be " in mistake.message
    assert "hunter2" not in mistake.message
    assert getattr(settings, key) == getattr(ServeSettings(), key)
    assert key == "drain" or settings.drain == 7.0


def test_what_is_right_is_taken() -> None:
    table = {
        "listen": "[::]:8443",
        "networks": ["10.0.0.0/8", "fd00::/8"],
        "anonymous": ["all"],
        "store": "s3://bucket/prefix",
        "shared_state": "rediss://state.example:6380/2",
        "advertise": "https://10.0.0.7:8443/",
        "serve_from": "bucket",
    }
    settings, mistakes = ServeSettings.parse(table, PATH)
    assert not mistakes
    assert settings.networks == {"10.0.0.0/8", "fd00::/8"}
    assert settings.advertise == "https://10.0.0.7:8443"
    assert host_and_port(settings.listen) == ("::", 8443)
