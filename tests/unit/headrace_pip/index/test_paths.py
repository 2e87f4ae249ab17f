from __future__ import annotations

from urllib.parse import unquote

import pytest

from headrace.models import Digest
from headrace_pip.index import paths

CONTENT = "ab/cd/" + "0" * 60
FILES = "https://files.example"


@pytest.mark.parametrize(
    ("url", "filename", "path"),
    [
        (
            f"{FILES}/packages/{CONTENT}/foo-1.0.tar.gz",
            "foo-1.0.tar.gz",
            f"/packages/{CONTENT}/foo-1.0.tar.gz",
        ),
        (
            f"{FILES}/pypi/web/packages/{CONTENT}/foo-1.0.tar.gz",
            "foo-1.0.tar.gz",
            f"/packages/{CONTENT}/foo-1.0.tar.gz",
        ),
        (
            f"{FILES}/packages/{CONTENT}/foo-1%2Bcu1-py3-none-any.whl",
            "foo-1+cu1-py3-none-any.whl",
            f"/packages/{CONTENT}/foo-1+cu1-py3-none-any.whl",
        ),
    ],
)
def test_a_path_made_of_the_content_is_kept(url: str, filename: str, path: str) -> None:
    assert paths.file_path("", "foo", url, filename) == path


@pytest.mark.parametrize(
    ("url", "filename"),
    [
        (f"{FILES}/packages/{CONTENT}/bar-1.0.tar.gz", "bar-1.0.tar.gz"),
        (f"{FILES}/packages/{CONTENT}/foo-1.0.exe", "foo-1.0.exe"),
        (f"{FILES}/packages/{CONTENT}/foo-1.0.tar.gz?sig=1", "foo-1.0.tar.gz"),
        (f"{FILES}/packages/{CONTENT}/other.tar.gz", "foo-1.0.tar.gz"),
        (f"{FILES}/any/where/foo-1.0.tar.gz", "foo-1.0.tar.gz"),
    ],
)
def test_any_other_file_gets_a_path_that_tells_its_project(url: str, filename: str) -> None:
    path = paths.file_path("", "foo", url, filename)
    assert path is not None
    assert path.startswith("/files/foo/")
    assert paths.parse(path) == paths.FilePath(None, "foo")


def test_a_mirror_does_not_move_a_file() -> None:
    hosts = (FILES, "https://mirror.example/pypi/web")
    one, two = (
        paths.file_path("", "foo", f"{host}/packages/{CONTENT}/foo-1.0.exe", "foo-1.0.exe")
        for host in hosts
    )
    assert one == two


def test_a_signature_in_the_query_does_not_move_a_file() -> None:
    one, two = (
        paths.file_path("", "foo", f"{FILES}/foo-1.0.zip?sig={i}", "foo-1.0.zip") for i in (1, 2)
    )
    assert one == two


@pytest.mark.parametrize("name", ["", ".", "..", "a/b.whl", "a\\b.whl", "a\x00.whl", "a\n.whl"])
def test_a_name_that_is_no_file_name_is_not_served(name: str) -> None:
    assert paths.file_path("", "foo", f"{FILES}/x", name) is None


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://h/foo-1.0.zip", "git+https://h/x"])
def test_what_is_not_http_is_not_served(url: str) -> None:
    assert paths.file_path("", "foo", url, "foo-1.0.zip") is None


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/simple/", paths.PagePath(None, "")),
        ("/simple", paths.PagePath(None, "")),
        ("/simple/Foo.Bar/", paths.PagePath(None, "Foo.Bar/")),
        ("/index/corp/simple/foo/", paths.PagePath("corp", "foo/")),
        (f"/packages/{CONTENT}/foo-1.0.zip", paths.FilePath(None, "foo")),
        (f"/packages/{CONTENT}/foo-1-py3-none-any.whl.metadata", paths.FilePath(None, "foo")),
        (f"/index/corp/packages/{CONTENT}/foo-1.0.zip.asc", paths.FilePath("corp", "foo")),
        (f"/packages/{CONTENT}/odd", paths.FilePath(None, None)),
        ("/files/foo/0123456789abcdef/x.exe", paths.FilePath(None, "foo")),
        ("/files/foo/0123/x.exe", None),
        ("/packages/ab/cd/short/foo-1.0.zip", None),
        ("/simplest/foo/", None),
        ("/index/corp/other/foo/", None),
        ("/", None),
    ],
)
def test_a_path_is_read_back(path: str, place: object) -> None:
    assert paths.parse(path) == place


def test_a_plus_goes_out_encoded_and_comes_back() -> None:
    path = f"/packages/{CONTENT}/torch-2.0+cu118-py3-none-any.whl"
    assert "torch-2.0%2Bcu118" in paths.encoded(path)
    assert unquote(paths.encoded(path)) == path


def test_the_path_is_the_digest_of_the_content() -> None:
    url = f"{FILES}/packages/{CONTENT}/foo-1.0.zip"
    assert paths.path_digest(url) == Digest("blake2b_256", "abcd" + "0" * 60)
    assert paths.path_digest(f"{FILES}/foo-1.0.zip") is None


def test_a_companion_lies_beside_its_file_and_not_behind_the_query() -> None:
    assert paths.with_suffix("https://h/a.whl", ".metadata") == "https://h/a.whl.metadata"
    assert paths.with_suffix("https://h/a.whl?x=1", ".asc") == "https://h/a.whl.asc?x=1"


def test_a_path_of_the_content_tells_the_name_and_one_of_the_projects_own_does_not() -> None:
    url = f"{FILES}/packages/{CONTENT}/foo-1.0%2Bcu1.zip"
    assert paths.tells_name(f"/packages/{CONTENT}/foo-1.0+cu1.zip", url)
    assert paths.tells_name(f"/index/corp/packages/{CONTENT}/foo-1.0+cu1.zip", url)
    assert not paths.tells_name("/files/foo/0123456789abcdef/foo-9.0.zip", url)
    assert not paths.tells_name("/files/foo/0123456789abcdef/foo.zip", f"{FILES}/foo.zip")
