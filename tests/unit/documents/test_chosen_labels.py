"""Which build each client was led to, several of them at once."""

from __future__ import annotations

from headrace.documents.chosen_labels import ChosenLabels
from headrace.models import Request

SERVER = ("127.0.0.1", 17223)


def asks(port: int | None, base: str = "") -> Request:
    ends = None if port is None else (("127.0.0.1", port), SERVER)
    return Request("GET", "/simple/triton-rocm/", base=base, ends=ends)


def test_each_client_has_the_label_of_its_own_build() -> None:
    labels = ChosenLabels()
    assert labels.label(asks(1)) == ""
    labels.note(asks(1), "rocm6.4")
    labels.note(asks(2), "rocm7.2")
    labels.note(asks(3), "")
    labels.note(asks(4, "/for/mi300"), "rocm7.14")
    assert [labels.label(asks(port)) for port in (1, 2, 3)] == ["rocm6.4", "rocm7.2", ""]
    assert labels.label(asks(4, "/for/mi300")) == "rocm7.14"


def test_a_new_connection_is_taken_for_the_last_client_with_its_host() -> None:
    labels = ChosenLabels()
    labels.note(asks(1), "rocm6.4")
    labels.note(asks(2, "/for/mi300"), "rocm7.2")
    assert labels.label(asks(9)) == labels.label(asks(None)) == "rocm6.4"
    assert labels.label(asks(9, "/for/mi300")) == "rocm7.2"
    assert labels.label(asks(9, "/for/b200")) == ""
