from __future__ import annotations

import pytest

from headrace_pip.simple_api import html_form
from headrace_pip.simple_api.model import FileLink, ProjectPage

URL = "https://index.example/simple/foo/"
SHA = "a" * 64


def parse(text: str, content_type: str = "text/html", url: str = URL) -> ProjectPage:
    return html_form.parse(text.encode(), content_type, url, "foo")


def test_a_page_is_read_with_all_that_the_standards_name() -> None:
    page = parse(
        f"""<!DOCTYPE html><html><head>
        <meta name="pypi:repository-version" content="1.4">
        <META NAME="pypi:project-status" CONTENT="quarantined">
        <meta name="pypi:project-status-reason" content="a &amp; b">
        </head><body><h1>Links</h1>
        <a href="../../packages/foo-1.0-py3-none-any.whl#sha256={SHA.upper()}"
           data-requires-python="&gt;=3.8,&lt;4" data-yanked="bad &quot;build&quot;"
           data-core-metadata="sha256={SHA}" data-dist-info-metadata="true"
           data-gpg-sig="true" data-upload-time="2024-01-02T03:04:05Z"
           data-provenance="/prov">foo</a><br/>
        </body></html>
        <!--SERIAL 123-->"""
    )
    assert page == ProjectPage(
        name="foo",
        api_version="1.4",
        last_serial=123,
        status={"status": "quarantined", "reason": "a & b"},
        files=(
            FileLink(
                filename="foo-1.0-py3-none-any.whl",
                url="https://index.example/packages/foo-1.0-py3-none-any.whl",
                hashes={"sha256": SHA},
                requires_python=">=3.8,<4",
                yanked='bad "build"',
                core_metadata={"sha256": SHA},
                upload_time="2024-01-02T03:04:05Z",
                gpg_sig=True,
                provenance="https://index.example/prov",
            ),
        ),
    )


@pytest.mark.parametrize(
    ("attributes", "yanked", "metadata"),
    [
        ("", False, False),
        ("data-yanked", True, False),
        ('data-yanked=""', True, False),
        ("data-yanked='why'", "why", False),
        ("data-core-metadata=true", False, True),
        ("data-dist-info-metadata=true", False, True),
        ("data-core-metadata=false", False, False),
        ("data-core-metadata=nonsense", False, True),
        (f"data-dist-info-metadata=sha256={SHA}", False, {"sha256": SHA}),
    ],
)
def test_attributes(attributes: str, yanked: object, metadata: object) -> None:
    file = parse(f'<a href="foo-1.0.zip" {attributes}>x</a>').files[0]
    assert (file.yanked, file.core_metadata) == (yanked, metadata)


@pytest.mark.parametrize(
    ("href", "url", "hashes"),
    [
        ("foo-1.0.zip", URL + "foo-1.0.zip", {}),
        ("/f/foo-1.0.zip", "https://index.example/f/foo-1.0.zip", {}),
        ("//cdn.example/foo-1.0.zip", "https://cdn.example/foo-1.0.zip", {}),
        (" foo-1.0.zip ", URL + "foo-1.0.zip", {}),
        ("foo 1.0.zip", URL + "foo%201.0.zip", {}),
        ("foo-1.0%2Bcu.zip", URL + "foo-1.0%2Bcu.zip", {}),
        ("foo-1.0.zip#md5=00", URL + "foo-1.0.zip", {"md5": "00"}),
        ("foo-1.0.zip#egg=foo&sha512=ab", URL + "foo-1.0.zip", {"sha512": "ab"}),
        ("foo-1.0.zip#egg=foo", URL + "foo-1.0.zip", {}),
        ("foo-1.0.zip?a=1&amp;b=2", URL + "foo-1.0.zip?a=1&b=2", {}),
    ],
)
def test_links(href: str, url: str, hashes: dict[str, str]) -> None:
    file = parse(f'<a href="{href}">x</a>').files[0]
    assert (file.url, file.hashes) == (url, hashes)


def test_the_base_element_moves_relative_links() -> None:
    page = parse('<base href="/other/"><base href="/no/"><a href="foo-1.0.zip">x</a>')
    assert page.files[0].url == "https://index.example/other/foo-1.0.zip"


def test_anchors_that_are_no_files_are_left_out() -> None:
    page = parse('<a>none</a><a href="">e</a><a href="../">up</a><a href="http://[x/y">bad</a>')
    assert page.files == ()


def test_the_charset_is_honoured_and_a_wrong_one_forgiven() -> None:
    text = '<a href="foo-1.0.zip" data-yanked="é">x</a>'
    latin = html_form.parse(text.encode("latin-1"), "text/html; charset=latin-1", URL, "foo")
    assert latin.files[0].yanked == "é"
    assert parse(text, "text/html; charset=none-such").files[0].yanked == "é"


@pytest.mark.parametrize(
    "text",
    [
        '<html><form action="/login"><a href="/help">help</a></form></html>',
        "<html><script>location='/sso'</script></html>",
    ],
)
def test_a_page_for_people_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_a_project_without_files_is_a_page() -> None:
    assert parse("<html><body><h1>Links for foo</h1></body></html>").files == ()


def test_another_major_version_is_a_value_error() -> None:
    with pytest.raises(ValueError):
        parse('<meta name="pypi:repository-version" content="2.0">')


def test_a_written_page_escapes_and_names_metadata_twice() -> None:
    file = FileLink(
        "foo-1.0-py3-none-any.whl",
        "/packages/foo.whl",
        hashes={"md5": "00", "sha256": SHA},
        requires_python='>=3 & "x"',
        yanked=True,
        core_metadata={"sha256": SHA},
    )
    text = html_form.render(ProjectPage("foo", (file,), api_version="1.4")).decode()
    assert 'content="1.0"' in text
    assert f'href="/packages/foo.whl#sha256={SHA}"' in text
    assert "md5" not in text
    assert 'data-requires-python="&gt;=3 &amp; &quot;x&quot;"' in text
    assert 'data-yanked=""' in text
    assert f'data-core-metadata="sha256={SHA}" data-dist-info-metadata="sha256={SHA}"' in text
