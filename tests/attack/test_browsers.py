"""What a page of somewhere else can make a browser send is refused before it starts anything.

The heads here are what Chromium 12x and Firefox 12x send (Fetch Metadata, W3C), and an old browser
that sends none of it. A page can choose the method, the kind and whether a Referer is sent, but
nothing of Sec-Fetch-*.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import headrace_docker.plugin
from headrace.gateway.browsers import sent_by_a_page
from headrace.models import Origin
from lib.app import App
from lib.index import JSON
from lib.serving.servers import RecordingServer

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0"
PIP = 'pip/25.2 {"python":"3.11.7"}'


def fetch(site: str, mode: str, dest: str, **more: str) -> dict[str, str]:
    named = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}
    return {**named, "User-Agent": AGENT, **more}


#: What a page of another host, or of another port of this one, brings about.
PAGES = {
    "an image": fetch("cross-site", "no-cors", "image", Referer="https://page.example/"),
    "an image, no referrer": fetch("cross-site", "no-cors", "image"),
    "a script": fetch("cross-site", "no-cors", "script"),
    "a style of a page on another port": fetch("same-site", "no-cors", "style"),
    "a frame": fetch("cross-site", "navigate", "iframe"),
    "a link": fetch("cross-site", "navigate", "document", **{"Sec-Fetch-User": "?1"}),
    "a form": fetch("cross-site", "navigate", "document", Referer="https://page.example/"),
    "a window": fetch("same-site", "navigate", "document"),
    "fetch()": fetch("cross-site", "cors", "empty", Origin="https://page.example"),
    "fetch(), no-cors": fetch("cross-site", "no-cors", "empty"),
    "fetch() in a sandbox": fetch("cross-site", "cors", "empty", Origin="null"),
    "a download": fetch("cross-site", "navigate", "document"),
    "an audio element": fetch("cross-site", "no-cors", "audio", Range="bytes=0-"),
    "an old browser's link": {"User-Agent": AGENT, "Referer": "http://page.example/"},
    "an old browser's fetch()": {"User-Agent": AGENT, "Origin": "http://page.example"},
    "an old browser's frame in a sandbox": {"User-Agent": AGENT, "Origin": "null"},
    "a page without a name": {"User-Agent": AGENT, "Referer": "about:client"},
    "a browser with odd letters": fetch("Cross-Site", "No-Cors", "Image"),
    "a value of the future": fetch("near-site", "no-cors", "image"),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, origin: RecordingServer) -> Iterator[App]:
    hub = Origin("docker", origin.url, name="docker.io")
    index = Origin("python", f"{origin.url}/simple")
    root = tmp_path_factory.mktemp("gateway")
    with App(root, index, hub, plugins=[headrace_docker.plugin]) as made:
        yield made


PATHS = (
    "/simple/six/",
    "/packages/ab/cd/" + "0" * 60 + "/six-1.0-py3-none-any.whl",
    "/v2/",
    "/v2/library/x/manifests/v1",
    "/v2/library/x/blobs/sha256:" + "0" * 64,
    "/explain?what=six",
    "/nothing",
)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_page_starts_anything(app: App, origin: RecordingServer, page: str, method: str) -> None:
    for path in (*PATHS, "/status", "/metrics", "/healthz"):
        told = app.ask(path, PAGES[page], method=method)
        assert told.status == 403, (path, page)
        assert "location" not in told.headers
        assert "access-control-allow-origin" not in told.headers
    assert app.ask("/simple/six/", PAGES[page], method="POST").status == 405
    assert app.ask("/simple/six/", PAGES[page], method="OPTIONS").status == 405
    assert origin.seen == []


def test_a_person_may_type_the_gateways_own_pages_and_no_others(
    app: App, origin: RecordingServer
) -> None:
    typed = fetch("none", "navigate", "document", **{"Sec-Fetch-User": "?1"})
    again = fetch(
        "same-origin", "navigate", "document", Referer=f"http://127.0.0.1:{app.port}/status"
    )
    old = {"User-Agent": AGENT}
    for headers in (typed, again, old):
        for path in ("/status", "/metrics", "/healthz"):
            assert app.ask(path, headers).status == 200, (path, headers)
        # A page that is typed may redirect here, which looks as if this had been typed.
        for path in PATHS:
            assert app.ask(path, headers).status == 403, path
    assert origin.seen == []


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": PIP, "Accept": JSON},
        {"User-Agent": "uv/0.8.1 {}"},
        {"User-Agent": "conda/24.7.1 requests/2.32.3 CPython/3.11.7 Linux/6.1"},
        {"User-Agent": "docker/28.0.1 go/go1.23.6 git-commit/x kernel/6.1 UpstreamClient()"},
        {"User-Agent": "containers/5.34 (github.com/containers/image)"},
        {"User-Agent": "curl/8.5.0", "Accept": "*/*"},
        {"User-Agent": "node", "Sec-Fetch-Mode": "cors", "Accept-Language": "*"},
        {"User-Agent": "Mozilla/5.0 (Windows NT; Windows NT 10.0) WindowsPowerShell/5.1.19041"},
        {},
    ],
    ids=str,
)
def test_no_installer_is_taken_for_a_browser(app: App, headers: dict[str, str]) -> None:
    assert app.ask("/simple/six/", headers).status == 200
    assert app.ask("/v2/", headers).status == 200


def test_answers_are_for_nobody_elses_page(app: App) -> None:
    for path in ("/healthz", "/simple/six/", "/nothing", "/simple/../x", "/status"):
        told = app.ask(path)
        assert told.headers["x-content-type-options"] == "nosniff"
        assert told.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "referer",
    [
        "http://127.0.0.1:1/status",
        "https://127.0.0.1:17223/",
        "http://127.0.0.1:17223.page.example/",
        "http://127.0.0.1:17223@page.example/",
        "http://page.example/?127.0.0.1:17223",
        "http://[",
        "",
        "null",
        "file:///home/a/page.html",
    ],
)
def test_a_referer_is_ours_only_where_it_names_us(referer: str) -> None:
    assert sent_by_a_page({"referer": referer}, 17223, own_page=True)
    assert sent_by_a_page({"referer": referer}, 17223, own_page=False)
    assert not sent_by_a_page({"referer": "http://localhost:17223/x"}, 17223, own_page=True)


def test_an_installer_that_followed_a_redirect_of_ours_says_so_and_a_browser_may_not(
    app: App,
) -> None:
    """No page can make a browser say that another site's page sent it (Fetch, Referrer Policy): a
    Referer of ours is no page's elsewhere. Go's client sends one after each redirect.
    """
    ours = f"http://127.0.0.1:{app.port}/simple/Six"
    for path in ("/simple/six/", "/v2/"):
        assert app.ask(path, {"User-Agent": "Go-http-client/1.1", "Referer": ours}).status == 200
        for browser in ({"User-Agent": AGENT}, fetch("same-origin", "navigate", "document")):
            assert app.ask(path, {**browser, "Referer": ours}).status == 403
        assert app.ask(path, {"User-Agent": PIP, "Referer": ours, "Origin": ours}).status == 403
