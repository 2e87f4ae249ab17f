from __future__ import annotations

import pytest

from headrace_pip.index.names import is_distribution, normalised, project_of, version_of


@pytest.mark.parametrize(
    ("filename", "project", "version"),
    [
        ("requests-2.31.0-py3-none-any.whl", "requests", "2.31.0"),
        ("zope.interface-8.0-cp311-cp311-linux_x86_64.whl", "zope-interface", "8.0"),
        ("torch-2.15.0+cu126-cp311-cp311-win_amd64.whl", "torch", "2.15.0+cu126"),
        ("foo-1.0-1-py3-none-any.whl", "foo", "1.0"),
        ("foo-1.0-py3-none-any-cu126.whl", "foo", "1.0"),
        ("Foo.Bar_baz-1.0.tar.gz", "foo-bar-baz", "1.0"),
        ("foo-bar-1.0.zip", "foo-bar", "1.0"),
        ("foo-1.0.tar.bz2", "foo", "1.0"),
        ("foo-1.0-py2.7.egg", "foo", None),
        ("numpy-1.5.0.win32-py2.6.exe", None, None),
        ("foo-1.0-variants.json", None, None),
        ("foo.tar.gz", None, "foo"),
        ("not-a.whl", None, None),
        ("", None, None),
    ],
)
def test_a_file_name_tells_its_project_and_version(
    filename: str, project: str | None, version: str | None
) -> None:
    assert project_of(filename) == project
    assert version_of(filename) == version


def test_names_are_normalised_or_no_names() -> None:
    assert normalised("Foo._-Bar") == "foo-bar"
    assert normalised("foo/bar") is None
    assert normalised("") is None
    assert normalised("naïve") is None


def test_old_installers_are_distributions_and_pages_are_not() -> None:
    assert is_distribution("foo-1.0.win32-py2.7.exe")
    assert not is_distribution("login")
