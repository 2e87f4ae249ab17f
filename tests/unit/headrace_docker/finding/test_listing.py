"""A registry's list of tags: its pages, its bounds, and what is said where there is none."""

from __future__ import annotations

import json

import pytest

from headrace.interface import GatewayAnswer
from headrace_docker.finding import listing
from headrace_docker.finding.listing import list_tags


def page(tags: object, link: str = "", status: int = 200) -> GatewayAnswer:
    return GatewayAnswer(status, json.dumps({"name": "x", "tags": tags}).encode(), link)


class Registry:
    """Gives its answers in their order."""

    def __init__(self, *answers: GatewayAnswer | None) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, path: str, accept: str) -> GatewayAnswer | None:
        assert accept == "application/json"
        self.asked.append(path)
        return self.answers.pop(0)


def following(last: str) -> str:
    return f'</v2/me/x/tags/list?n=2&last={last}&ns=ghcr.io>; rel="next"'


def test_pages_are_followed_where_the_registry_says_that_they_go_on() -> None:
    ask = Registry(page(["a", "b"], following("b")), page(["c", "d"], following("d")), page(["e"]))
    found = list_tags("ghcr.io", "me/x", ask)
    assert found.tags == ("a", "b", "c", "d", "e")
    assert (found.problem, found.requests) == ("", 3)
    assert ask.asked[1:] == [f"/v2/me/x/tags/list?n=2&last={x}&ns=ghcr.io" for x in "bd"]


def test_registry_that_gives_the_same_page_again_is_not_asked_for_ever() -> None:
    ask = Registry(page(["a"], following("a")), page(["a"], following("a")), page(["never"]))
    assert list_tags("ghcr.io", "me/x", ask).tags == ("a",)
    assert len(ask.asked) == 2


def test_full_page_without_a_link_is_not_taken_for_the_last() -> None:
    first = [f"t{number:04}" for number in range(1000)]
    ask = Registry(page(first), page(["z"]))
    assert len(list_tags("docker.io", "me/x", ask).tags) == 1001
    assert ask.asked[1].endswith("&last=t0999&ns=docker.io")


def test_list_without_an_end_is_left_at_a_bound_and_that_is_said() -> None:
    def ask(path: str, accept: str) -> GatewayAnswer:
        del accept
        last = int(path.partition("last=")[2].partition("&")[0] or 0)
        return page([str(last + 1)], following(str(last + 1)))

    found = list_tags("docker.io", "me/x", ask)
    assert found.requests == len(found.tags) == listing._PAGES
    assert "lists more than 100 tags" in found.problem


def test_list_that_breaks_off_gives_what_came_and_says_so() -> None:
    ask = Registry(page(["a"], following("a")), GatewayAnswer(502, b""))
    found = list_tags("ghcr.io", "me/x", ask)
    assert found.tags == ("a",)
    assert "broke off" in found.problem


def test_nobody_there_no_list_and_no_such_registry_are_told_apart() -> None:
    assert not list_tags("ghcr.io", "me/x", Registry(None)).answered
    plain = list_tags("ghcr.io", "me/x", Registry(GatewayAnswer(404, b"{}")))
    assert (plain.missing, plain.unled) == (True, False)
    words = (
        b'{"errors":[{"message":"no such path, or a registry that this gateway does not front"}]}'
    )
    assert list_tags("x.example", "me/x", Registry(GatewayAnswer(404, words))).unled


def test_what_is_no_tag_is_left_out() -> None:
    for tags in (None, {"a": 1}, "abc", [1, None, "", "x" * 129, "good"]):
        found = list_tags("ghcr.io", "me/x", Registry(page(tags)))
        assert set(found.tags) <= {"good"}
    for body in (b"", b"[]", b"nonsense", b'{"tags":'):
        assert list_tags("ghcr.io", "me/x", Registry(GatewayAnswer(200, body))).tags == ()


@pytest.mark.parametrize(
    ("words", "answered"),
    [
        ("headrace: registry-1.docker.io has no address: Name or service not known", False),
        ("headrace: no ecosystem here has such a path", False),
        ("headrace: docker.io does not tell this to anybody", True),
        ("repository name not known to registry", True),
    ],
)
def test_registry_that_nobody_got_through_to_is_not_one_without_the_repository(
    words: str, *, answered: bool
) -> None:
    body = json.dumps({"errors": [{"code": "NAME_UNKNOWN", "message": words}]}).encode()
    found = list_tags("docker.io", "me/x", Registry(GatewayAnswer(404, body)))
    assert (found.answered, found.missing) == (answered, answered)
    assert answered or words.removeprefix("headrace: ") in found.problem


@pytest.mark.parametrize(
    ("said", "next_is"),
    [
        ("registry-1.docker.io has no address: Name or service not known", "a network and a name"),
        ("registry-1.docker.io answered 503", "`headrace doctor` says more"),
    ],
)
def test_what_to_do_where_nobody_got_through_is_what_would_help(said: str, next_is: str) -> None:
    body = json.dumps({"errors": [{"message": f"headrace: {said}"}]}).encode()
    assert next_is in list_tags("docker.io", "me/x", Registry(GatewayAnswer(404, body))).problem
    assert next_is in listing.refused(GatewayAnswer(404, body), "docker.io")
