"""``NO_PROXY`` for a command that must come to us first."""

from __future__ import annotations

import pytest

from headrace.errors import LocalError
from headrace.upstream.proxies import exceptions_for


def test_what_excepts_a_led_host_is_left_out_and_the_rest_stays() -> None:
    env = {"NO_PROXY": "localhost, .example,10.0.0.0/8 corp.test", "HTTPS_PROXY": "http://p:1"}
    assert exceptions_for(env, ["a.example:443"]) == "localhost,10.0.0.0/8,corp.test"
    assert (
        exceptions_for(env, ["[::1]:443", "b.test:443"])
        == "localhost,.example,10.0.0.0/8,corp.test"
    )
    assert exceptions_for({"no_proxy": "*", "NO_PROXY": "x"}, ["a.example:443"]) == ""


def test_nothing_is_sent_to_a_proxy_of_http_that_was_excepted_from_it() -> None:
    env = {"NO_PROXY": ".example", "HTTP_PROXY": "http://p:1"}
    with pytest.raises(LocalError, match="NO_PROXY"):
        exceptions_for(env, ["a.example:443"])
    assert exceptions_for(env, ["a.test:443"]) == ".example"
