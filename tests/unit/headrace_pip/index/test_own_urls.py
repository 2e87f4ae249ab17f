"""The index at its own URLs: which of them are pages and files that the gateway has."""

from __future__ import annotations

import pytest

from headrace.models import Digest, Document, Origin, Request, ServeArtifact
from headrace_conda.channels.ecosystem import CondaEcosystem
from headrace_pip.pytorch.ecosystem import PythonWithBuilds

BLAKE = f"packages/ab/cd/{'0' * 60}"
WHEEL = "foo-1.0-py3-none-any.whl"
INDEX = Origin("python", "https://index.example/simple")
CORP = Origin("python", "https://corp.example/simple", private=True, name="corp")
TORCH = Origin("python", "https://torch.example/whl", name="pytorch")


def taught() -> PythonWithBuilds:
    """An ecosystem that has seen one page."""
    made = PythonWithBuilds([INDEX, CORP, TORCH])
    [plan] = made.teaching()
    body = f'<a href="https://files.example/{BLAKE}/{WHEEL}">{WHEEL}</a>'.encode()
    assert list(made.artifacts(Document(plan.url, body, "text/html"), plan))
    return made


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://index.example/simple/foo/", "/simple/foo/"),
        ("https://index.example/simple/Foo/", None),
        ("https://index.example/simple/foo", None),
        ("https://index.example/simple/foo/?a=b", None),
        ("https://index.example/simple/", None),
        ("https://index.example/pypi/foo/json", None),
        (f"https://files.example/{BLAKE}/{WHEEL}", f"/{BLAKE}/{WHEEL}"),
        (f"https://files.example/{BLAKE}/{WHEEL}.metadata", f"/{BLAKE}/{WHEEL}.metadata"),
        (f"https://files.example/{BLAKE}/{WHEEL}?token=x", None),
        (f"https://other.example/{BLAKE}/{WHEEL}", None),
        (f"http://files.example/{BLAKE}/{WHEEL}", None),
        ("https://files.example/packages/foo.txt", None),
        ("https://corp.example/simple/foo/", None),
        ("https://torch.example/whl/cu126/torch/", "/pytorch/cu126/simple/torch/"),
        ("https://torch.example/whl/none/torch/", None),
    ],
)
def test_url_is_a_page_or_file_of_a_public_index_or_nothing(url: str, path: str | None) -> None:
    assert taught().requested_at(url) == path


def test_file_of_a_variant_index_has_the_path_that_its_page_gives_it() -> None:
    made = taught()
    url = "https://torch.example/whl/cu126/torch-2.9.0%2Bcu126-cp312-cp312-linux_x86_64.whl"
    plan = made.variant_page("torch", "cu126")
    assert plan is not None
    body = f'<a href="{url}#sha256={"a" * 64}">torch-2.9.0+cu126-cp312-cp312-linux_x86_64.whl</a>'
    [artifact] = made.artifacts(Document(plan.url, body.encode(), "text/html"), plan)
    assert made.requested_at(url) == artifact.path


@pytest.mark.parametrize(
    ("path", "url"),
    [
        (f"/{BLAKE}/{WHEEL}", f"https://files.example/{BLAKE}/{WHEEL}"),
        (f"/{BLAKE}/{WHEEL}.metadata", None),
        (f"/{BLAKE}/{WHEEL}.asc", None),
        (f"/files/foo/{'0' * 16}/{WHEEL}", None),
        (f"/index/corp/{BLAKE}/{WHEEL}", None),
        (f"/pytorch/cu126/{BLAKE}/{WHEEL}", None),
        (
            f"/{BLAKE}/foo-1.0+own-py3-none-any.whl",
            f"https://files.example/{BLAKE}/foo-1.0%2Bown-py3-none-any.whl",
        ),
    ],
)
def test_path_alone_tells_a_file_whose_digest_it_is(path: str, url: str | None) -> None:
    made = taught()
    plan = made.plan(Request("GET", path, "", {}))
    assert isinstance(plan, ServeArtifact)
    spelt = made.spelt(plan)
    assert (spelt.url if spelt else None) == url
    if spelt is not None:
        assert spelt.digest == Digest("blake2b_256", "abcd" + "0" * 60)
        assert made.confirmation(spelt) == url
        assert spelt.size is None
    assert PythonWithBuilds([INDEX, CORP, TORCH]).spelt(plan) is None


def test_hosts_of_files_are_known_from_pages_of_public_indexes() -> None:
    made = taught()
    assert list(made.file_hosts()) == ["https://files.example/"]
    assert not list(made.teaching())
    assert [plan.url for plan in PythonWithBuilds([INDEX, CORP, TORCH]).teaching()] == [
        "https://index.example/simple/pip/"
    ]


def test_channel_has_its_own_paths_below_the_hosts_name() -> None:
    public = Origin("conda", "https://host.example", name="public")
    made = CondaEcosystem([public, Origin("conda", "https://own.example", private=True, name="o")])
    here = "https://host.example/forge/noarch/repodata.json.zst"
    assert made.requested_at(here) == "/conda/host.example/forge/noarch/repodata.json.zst"
    for other in (
        "https://own.example/c/noarch/a.conda",
        "https://host.example/t/secret/c/a.conda",
        "https://host.example/forge/",
        "https://x.example/a/b.conda",
        f"{here}?a=b",
    ):
        assert made.requested_at(other) is None, other
