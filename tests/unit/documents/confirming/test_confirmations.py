"""How often an origin is asked about the files that a mirror's pages named."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from headrace.documents.confirming import confirmations
from headrace.documents.confirming.confirmations import AT_ONCE, HEDGES, Confirmations
from headrace.models import Artifact, Digest, Origin
from headrace.upstream.responses import UpstreamResponse

ORIGIN = Origin("python", "https://origin.test/simple")


class Confirming:
    """The path of a file is its digest."""

    name = "python"

    def confirmation(self, artifact: Artifact) -> str:
        return artifact.url


class Silent:
    """An origin that answers nothing, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def fetch(self, origin: Origin, url: str, *, method: str) -> None:
        del origin, method
        self.asked.append(url)
        await asyncio.Event().wait()


def file(number: int) -> Artifact:
    digest = Digest("sha256", f"{number:064x}")
    path = f"/{digest.value}/file.whl"
    url = f"https://origin.test{path}"
    return Artifact(
        ecosystem="python", path=path, name="file.whl", url=url, origin=ORIGIN, digest=digest
    )


def test_where_all_straggle_only_some_are_asked_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmations, "STRAGGLES_AFTER", 0.01)

    async def run() -> list[str]:
        origin: Any = Silent()
        ecosystem: Any = Confirming()
        asking = Confirmations(origin)
        for number in range(AT_ONCE):
            asking.expect(file(number), ecosystem, None)
            asking.begin(file(number))
        while len(origin.asked) < AT_ONCE + HEDGES:  # noqa: ASYNC110 - nobody sets an event
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        await asking.aclose()
        return list(origin.asked)

    asked = asyncio.run(run())
    assert len(set(asked)) == AT_ONCE
    assert len(asked) == AT_ONCE + HEDGES


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (200, {"content-length": "7"}, 7),
        (200, {}, None),
        (404, {"content-length": "7"}, None),
        (503, {"content-length": "7"}, None),
        (200, {"content-length": "7", "content-type": "text/html"}, None),
    ],
)
@pytest.mark.parametrize("private", [False, True])
def test_origin_says_how_long_a_file_is_that_a_client_has_named(
    status: int, headers: dict[str, str], told: int | None, *, private: bool
) -> None:
    asked: list[str] = []

    class Telling:
        def is_private(self, origin: Origin, url: str) -> bool:
            del origin, url
            return private

        async def fetch(self, origin: Origin, url: str, *, method: str) -> UpstreamResponse:
            del origin
            asked.append(f"{method} {url}")
            return UpstreamResponse(status, url, headers, b"")

    async def run() -> list[int | None]:
        origin: Any = Telling()
        ecosystem: Any = Confirming()
        asking = Confirmations(origin)
        found = [await asking.length(file(1), ecosystem) for _ in range(2)]
        await asking.aclose()
        return found

    assert asyncio.run(run()) == [None if private else told] * 2
    assert len(asked) == (0 if private else 2 if status == 503 or "content-type" in headers else 1)
