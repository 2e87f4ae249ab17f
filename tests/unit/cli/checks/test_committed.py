"""What counts as a gateway's address in a file, and what does not."""

from __future__ import annotations

import pytest

from headrace.cli.checks.committed import gateways_named

PORT = 17223
HEX = "ef/49/dda2dbce8193706250f27be11e3c504269008c355397e1b3437e420127e2"


@pytest.mark.parametrize(
    "text",
    [
        f"--index-url http://127.0.0.1:{PORT}/simple/",
        f"--index-url http://localhost:{PORT}/simple",
        f"# from http://[::1]:{PORT}/simple/",
        f"http://127.0.0.1:{PORT}",
        f'"http://127.0.0.1:{PORT}"',
        "--index-url http://headrace:a-token@127.0.0.1:41234/simple/",
        "--index-url http://headrace@127.0.0.1:41234/simple/",
        f'url = "http://127.0.0.1:41234/packages/{HEX}/app-1.0-py3-none-any.whl"',
        f'url = "http://127.0.0.1:41234/index/uv/packages/{HEX}/app-1.0-py3-none-any.whl"',
        "http://127.0.0.1:41234/files/app/0123456789abcdef/app-1.0.zip",
        f"HTTP://LOCALHOST:{PORT}/v2/",
    ],
)
def test_gateway_is_found_and_its_token_not_repeated(text: str) -> None:
    content = f"first line\n{text}\nlast line\n".encode()
    ((line, what),) = gateways_named(content, {PORT})
    assert line == 2
    assert "a-token" not in what


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8080/simple/",
        f"http://127.0.0.1:{PORT}0/simple/",
        "http://localhost:3141/root/pypi/+simple/",
        f"https://index.example:{PORT}/simple/",
        f"http://127.0.0.1.example:{PORT}/simple/",
        f"https://files.example/packages/{HEX}/app-1.0-py3-none-any.whl",
        f"port = {PORT}",
    ],
)
def test_what_is_nobodys_gateway_is_not_found(text: str) -> None:
    assert list(gateways_named(text.encode(), {PORT})) == []
