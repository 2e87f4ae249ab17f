from __future__ import annotations

import pytest

from headrace.models import Artifact, Digest, Origin
from headrace_pip.index import layouts

CONTENT = f"ab/cd/{'0' * 60}"
FILE = Artifact(
    ecosystem="python",
    path="/x",
    name="foo_bar-1.0+cu1-py3-none-any.whl",
    url=f"https://files.example/packages/{CONTENT}/foo_bar-1.0%2Bcu1-py3-none-any.whl",
    origin=Origin("python", "https://index.example/simple"),
    digest=Digest("sha256", "0123456789abcdef" * 4),
)
NAME = "foo_bar-1.0%2Bcu1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("layout", "base", "url"),
    [
        ("packages", "https://m/simple", f"https://m/packages/{CONTENT}/{NAME}"),
        ("packages", "https://m/pypi/web/simple/", f"https://m/pypi/web/packages/{CONTENT}/{NAME}"),
        ("packages", "https://m/pypi", f"https://m/pypi/packages/{CONTENT}/{NAME}"),
        (
            "pypi-packages",
            "https://m/pypi/web/simple",
            f"https://m/pypi-packages/{CONTENT}/{NAME}",
        ),
        (
            "artifactory",
            "https://a/artifactory/api/pypi/r/simple",
            f"https://a/artifactory/api/pypi/r/packages/packages/{CONTENT}/{NAME}",
        ),
        (
            "nexus",
            "https://n/repository/p/simple",
            f"https://n/repository/p/packages/foo-bar/1.0%2Bcu1/{NAME}",
        ),
        (
            "devpi",
            "https://d/root/pypi/+simple/",
            f"https://d/root/pypi/+f/012/3456789abcdef/{NAME}",
        ),
        ("same-path", "https://s", f"https://s/packages/{CONTENT}/{NAME}"),
        ("nvidia", "https://n", None),
        ("none-such", "https://n", None),
    ],
)
def test_where_a_mirror_keeps_a_file(layout: str, base: str, url: str | None) -> None:
    assert layouts.locate(layout, base, FILE) == url


@pytest.mark.parametrize("layout", ["packages", "pypi-packages", "artifactory"])
def test_a_path_that_is_not_the_contents_cannot_be_found_there(layout: str) -> None:
    other = Artifact("python", "/x", FILE.name, "https://x.example/f.whl", FILE.origin, FILE.digest)
    assert layouts.locate(layout, "https://m/simple", other) is None


def test_devpi_needs_the_digest_that_it_sorts_by() -> None:
    other = Artifact("python", "/x", FILE.name, FILE.url, FILE.origin, Digest("sha512", "a" * 128))
    assert layouts.locate("devpi", "https://d", other) is None


def test_nvidias_second_name_has_the_files_of_the_first() -> None:
    url = "https://pypi.nvidia.com/nvidia-x/nvidia_x-1-py3-none-any.whl"
    theirs = Artifact("python", "/x", "nvidia_x-1-py3-none-any.whl", url, FILE.origin)
    found = layouts.locate("nvidia", "https://pypi.nvidia.cn", theirs)
    assert found == "https://pypi.nvidia.cn/nvidia-x/nvidia_x-1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("layout", "base", "url"),
    [
        ("packages", "https://m/pypi/web/simple", "https://m/pypi/web/simple/foo/"),
        ("packages", "https://m/pypi", "https://m/pypi/simple/foo/"),
        ("devpi", "https://d/root/pypi", "https://d/root/pypi/+simple/foo/"),
        ("same-path", "https://s", None),
    ],
)
def test_where_a_mirror_keeps_a_page(layout: str, base: str, url: str | None) -> None:
    assert layouts.document_url(layout, base, "foo") == url
    assert layouts.document_url(layout, base, "Foo/../x") is None


def test_every_layout_says_what_it_is() -> None:
    assert all(function.__doc__ for function in layouts.LAYOUTS.values())
