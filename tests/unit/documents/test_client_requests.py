"""What else a client asks for is found out in time, or the page's URL is what is known."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from headrace.documents.client_requests import ClientRequests
from headrace.documents.second_chance import WITHIN, SecondChance
from headrace.errors import UpstreamError
from headrace.interface.ecosystems import Ecosystem
from headrace.interface.request_reading import RequestRead, RequestReading
from headrace.models import (
    Document,
    Fault,
    Origin,
    Request,
    ServeArtifact,
    ServeDocument,
)
from headrace.ownership.processes import Program
from headrace.variants.hosts import VariantRequest
from headrace_pip.pytorch.ecosystem import PythonWithBuilds

ORIGIN = Origin("python", "https://index.test/simple")
ENDS = (("127.0.0.1", 1), ("127.0.0.1", 2))
REQUEST = Request("GET", "/simple/torch/", ends=ENDS)
ASKED = VariantRequest("torch", python="3.11", platform="linux_x86_64")
UNKNOWN = RequestRead(ASKED, whole=False)


def page(name: str) -> ServeDocument:
    return ServeDocument(ORIGIN, f"{ORIGIN.url}/{name}/", "*/*", key=name)


class Asking(PythonWithBuilds):
    """Asks for pages, and tells what it was given."""

    def __init__(self, *rounds: Sequence[str]) -> None:
        super().__init__([ORIGIN])
        self.rounds = rounds
        self.given: list[Sequence[Document | None]] = []

    def requested(
        self, asked: VariantRequest, program: Program, request: Request
    ) -> RequestReading:
        del program, request
        for each in self.rounds:
            if not each:
                raise RuntimeError("a word that must not be logged")
            self.given.append((yield [page(name) for name in each]))
        return RequestRead(asked)


class Index:
    """Gives pages; ``lost`` is not there, ``slow`` never comes."""

    async def document(
        self, ecosystem: Ecosystem, plan: ServeDocument, request: Request
    ) -> Document | None:
        del ecosystem, request
        if plan.key == "lost":
            raise UpstreamError(Fault.MISSING, "lost")
        if plan.key == "slow":
            await asyncio.Event().wait()
        return Document(plan.url, plan.key.encode(), "text/html")

    async def artifact(
        self, ecosystem: Ecosystem, plan: ServeArtifact, request: Request
    ) -> Document | None:
        raise NotImplementedError

    async def foresee(self, ecosystem: Ecosystem, plan: ServeArtifact, request: Request) -> None:
        raise NotImplementedError


def of_program(*_: object) -> Program:
    return Program(("get", "torch"), Path("/"), Path("/get"), Path("/get"))


def read(
    ecosystem: Ecosystem, *, request: Request = REQUEST, within: float = 60.0, there: bool = True
) -> RequestRead | None:
    async def ask() -> RequestRead | None:
        found = of_program if there else lambda *_: None
        requests = ClientRequests(Index(), program=found, within=within)
        return await requests.read(ecosystem, ASKED, request)

    return asyncio.run(ask())


def test_documents_come_in_the_order_in_which_they_were_asked_for() -> None:
    ecosystem = Asking(["one", "lost", "two"], [], ["three"])
    ecosystem.rounds = (["one", "lost", "two"], ["three"])
    assert read(ecosystem) == RequestRead(ASKED)
    first, second = ecosystem.given
    assert [each and each.body for each in first] == [b"one", None, b"two"]
    assert [each and each.body for each in second] == [b"three"]


def test_what_does_not_come_in_time_counts_as_what_cannot_be_had() -> None:
    ecosystem = Asking(["one", "slow"], ["slow"])
    assert read(ecosystem, within=0.2) == RequestRead(ASKED)
    assert [[each and each.body for each in some] for some in ecosystem.given] == [
        [b"one", None],
        [None],
    ]


def test_where_no_program_is_told_the_url_is_what_is_known() -> None:
    assert read(Asking(["one"]), there=False) == UNKNOWN
    assert read(Asking(["one"]), request=Request("GET", "/simple/torch/")) == UNKNOWN


def test_reading_that_fails_costs_nobody_a_page_and_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    assert read(Asking(["one"], [])) == UNKNOWN
    assert "a word" not in caplog.text


def test_who_asks_again_and_has_taken_nothing_has_a_second_chance() -> None:
    now = [0.0]
    chance = SecondChance(lambda: now[0])
    assert not chance.is_due("pip", "torch")
    chance.given("pip", "torch", ["simple/torch", "cu126/torch"])
    chance.given("pip", "torchvision", ["simple/torchvision"])
    assert chance.is_due("pip", "torch")
    assert not chance.is_due("another pip", "torch")
    chance.taken("pip", "simple/numpy")
    chance.taken("another pip", "cu126/torch")
    assert chance.is_due("pip", "torch")
    chance.taken("pip", "cu126/torch")
    assert not chance.is_due("pip", "torch")
    assert chance.is_due("pip", "torchvision")
    now[0] = WITHIN
    assert not chance.is_due("pip", "torchvision")
