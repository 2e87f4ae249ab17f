"""Where a channel's URL stands on the gateway, and back."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from headrace_conda.channels import paths
from headrace_conda.channels.paths import ChannelFile


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://conda.anaconda.org/conda-forge", "conda.anaconda.org"),
        ("https://Conda.Anaconda.ORG", "conda.anaconda.org"),
        ("http://127.0.0.1:8000/ch", "http+127.0.0.1:8000"),
        ("https://host.example:8443", "host.example:8443"),
        ("https://[::1]:8000/ch", "[::1]:8000"),
        ("https://user:secret@host.example/ch", None),
        ("https://host.example/t/tk-123/ch", None),
        ("file:///srv/channel", None),
        ("https://", None),
        ("https://host.example:nonsense/", None),
        ("https://[::1/", None),
    ],
)
def test_authority_names_host_port_and_scheme(url: str, named: str | None) -> None:
    assert paths.authority(url) == named
    if named:
        assert paths.authority(paths.origin_url(named)) == named


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/conda/h.x/ch/noarch/a.json", ChannelFile("h.x", "/ch/noarch", "a.json")),
        (
            "/conda/h.x/ch/label/dev/linux-64/a.json",
            ChannelFile("h.x", "/ch/label/dev/linux-64", "a.json"),
        ),
        ("/conda/h.x/a b/noarch/c d", ChannelFile("h.x", "/a b/noarch", "c d")),
        ("/conda/h.x/channeldata.json", ChannelFile("h.x", "", "channeldata.json")),
        ("/conda/h.x/ch/noarch/", ChannelFile("h.x", "/ch/noarch", "")),
        ("/conda/http+h.x:80/ch/a", ChannelFile("http+h.x:80", "/ch", "a")),
        ("/conda/h.x/", ChannelFile("h.x", "", "")),
        ("/conda/h.x/ch/../a", None),
        ("/conda/h.x/./a", None),
        ("/conda/h.x//a", None),
        ("/conda/h.x/t/tk-123/ch/noarch/a", None),
        ("/conda/user@h.x/ch/a", None),
        ("/conda/H.X/ch/a", None),
        # Spellings that URLs do not have: they would be another place there.
        ("/conda/h.x:0/ch/a", None),
        ("/conda/h.x:0443/ch/a", None),
        ("/conda/h.x:99999/ch/a", None),
        ("/conda/", None),
        ("/simple/a", None),
    ],
)
def test_path_is_read_or_refused(path: str, place: ChannelFile | None) -> None:
    assert paths.parse(path) == place
    if place:
        assert place.path == path


@pytest.mark.parametrize("name", ["a-1!2.0+cu118-h1_0.conda", "a=b@c~d.json", "a b%20c.json"])
def test_url_of_a_place_leads_back_to_it(name: str) -> None:
    place = ChannelFile("http+h.x:81", "/ch+x/label/my label", name)
    assert paths.place_of(place.url) == place
    assert unquote(place.url) == f"http://h.x:81/ch+x/label/my label/{name}"


def test_what_clients_write_plainly_stays_plain() -> None:
    place = ChannelFile("h.x", "/c+d", "a-1!2.0+cu118-h1_0.conda")
    assert place.url == "https://h.x/c+d/a-1!2.0+cu118-h1_0.conda"


@pytest.mark.parametrize(
    "url",
    [
        "https://h.x/ch/a?b",
        "https://h.x/ch/a#b",
        "https://h.x/ch/a%2Fb",
        "https://h.x/ch/%2e%2e/b",
        "https://h.x/t/tk-123/ch/a",
        "file:///a",
        "https://[::1/a",
    ],
)
def test_url_that_is_no_place_is_none(url: str) -> None:
    assert paths.place_of(url) is None
