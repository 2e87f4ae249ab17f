"""daemon.json: our mirror first, everything else byte for byte, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headrace.errors import ConfigurationError
from headrace_docker.config_files import daemon_json
from headrace_docker.config_files.daemon_json import KEY
from lib.engines.machine import URL, assert_one_place

PATH = Path("/etc/docker/daemon.json")

FILES = {
    "empty object": "{}",
    "empty object with a line": "{\n}\n",
    "two spaces": '{\n  "debug": true,\n  "log-driver": "journald"\n}\n',
    "tabs": '{\n\t"debug": true\n}',
    "one line": '{"debug":true,"data-root":"/x"}',
    "windows line ends": '{\r\n  "debug": true\r\n}\r\n',
    "own mirrors": f'{{\n  "{KEY}": ["https://his.example", "https://two.example"]\n}}\n',
    "own mirrors on lines": f'{{\n  "{KEY}": [\n    "https://his.example"\n  ],\n  "debug": 1\n}}',
    "no mirrors": f'{{"a": [1, {{"b": "}}"}}], "{KEY}": [ ], "c": "{KEY}"}}',
    "null": f'{{"{KEY}": null, "x": 1}}',
    "nested key of that name": f'{{"x": {{"{KEY}": ["https://no.example"]}}}}',
    "letters": '{"labels": ["größe=\\u00fc", "\\"]{,"] }',
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES.keys())
def test_one_place_changes_and_the_users_mirrors_stay_behind_ours(text: str) -> None:
    after = daemon_json.add(text.encode(), URL, PATH).decode()
    theirs = json.loads(text).get(KEY) or []
    assert json.loads(after) == {**json.loads(text), KEY: [URL, *theirs]}
    assert ("\r\n" in text) == ("\r\n" in after)
    assert after.count("\n") == after.count("\r\n") or "\r\n" not in after
    if f'"{KEY}": null' not in text:
        assert_one_place(text, after)
    # As after a lost record: taken out again, nothing else is lost.
    clean = daemon_json.remove(after.encode(), URL, text.encode(), PATH)
    assert (json.loads(clean).get(KEY) or []) == theirs
    assert {**json.loads(clean), KEY: 0} == {**json.loads(text), KEY: 0}


@pytest.mark.parametrize("content", [None, b"", b"\n"])
def test_a_file_that_is_not_there_or_empty_is_made(content: bytes | None) -> None:
    after = daemon_json.add(content, URL, PATH)
    assert json.loads(after) == {KEY: [URL]}
    assert after.endswith(b"}\n")


BROKEN = {
    "comments": '{\n  // mine\n  "debug": true\n}',
    "a comma too many": '{"debug": true,}',
    "no object": "[]",
    "no number": '{"max-concurrent-downloads": NaN}',
    "mirrors that are no list": f'{{"{KEY}": "https://x.example"}}',
    "mirrors that are no text": f'{{"{KEY}": [1]}}',
    "a byte order mark": "\ufeff{}",
    "cut short": '{"debug": ',
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_what_dockerd_could_not_read_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be edited safely") as caught:
        daemon_json.add(text.encode(), URL, PATH)
    assert "was not changed" in caught.value.hint


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1", "http://mirror.example", "http://10.0.0.1:17223", "127.0.0.1:1"]
)
def test_only_this_machines_gateway_is_ever_written(url: str) -> None:
    with pytest.raises(ConfigurationError, match="gateway"):
        daemon_json.add(b"{}", url, PATH)


def test_ours_from_a_lost_record_is_moved_to_the_front() -> None:
    text = f'{{"{KEY}": ["https://his.example", "{URL}"]}}'
    after = daemon_json.add(text.encode(), URL, PATH)
    assert json.loads(after)[KEY] == [URL, "https://his.example"]
