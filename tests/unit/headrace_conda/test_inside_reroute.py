"""The auth handler with real requests and real servers: which requests come to us, and how they
look to everybody.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from lib.conda.stub import Stub, stub
from lib.serving.ports import free_port
from lib.serving.servers import RecordingServer, Reply
from lib.waiting import HANG

requests = pytest.importorskip("requests")

FORGE = "https://conda.anaconda.org/conda-forge/linux-64/repodata.json"
OWN = "https://conda.anaconda.org/my-company/linux-64/repodata.json"
PATH = "/conda-forge/noarch/repodata.json"
PASSWORD = "Basic " + base64.b64encode(b"user:pw").decode()


@pytest.fixture
def conda() -> Iterator[Stub]:
    with stub() as made:
        yield made


@pytest.fixture
def gateway(conda: Stub) -> Iterator[RecordingServer]:
    with RecordingServer(name="gateway") as server:
        conda.context.plugins.headrace_gateway = server.url
        yield server


@pytest.fixture
def origin() -> Iterator[RecordingServer]:
    with RecordingServer({PATH: b"origin's"}, name="origin") as server:
        yield server


def prepared(conda: Stub, url: str, method: str = "GET", **headers: str) -> Any:
    """Give a request as it is after the handler."""
    request = requests.Request(method, url, headers=headers).prepare()
    return conda.load("reroute").Reroute("a-channel")(request)


def got(conda: Stub, url: str, method: str = "GET", **headers: str) -> Any:
    session = requests.Session()
    session.trust_env = False
    session.auth = conda.load("reroute").Reroute("a-channel")
    return session.request(method, url, headers=headers, timeout=HANG)


def at_gateway(origin: RecordingServer) -> str:
    return f"/conda/http+127.0.0.1:{origin.port}{PATH}"


# ------------------------------------------------------------------ which go


def test_a_public_channel_goes_to_the_gateway(conda: Stub, gateway: RecordingServer) -> None:
    request = prepared(conda, FORGE, Range="bytes=5-")
    path = "/conda/conda.anaconda.org/conda-forge/linux-64/repodata.json"
    assert request.url == gateway.url + path
    assert request.headers["Range"] == "bytes=5-"
    assert "Authorization" not in request.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_only_downloads_go(conda: Stub, gateway: RecordingServer, method: str) -> None:
    assert prepared(conda, FORGE, method).url == FORGE
    assert not gateway.seen


@pytest.mark.parametrize(
    "url",
    [
        "https://conda.anaconda.org/t/to-ken/conda-forge/linux-64/repodata.json",
        "https://user:pw@conda.anaconda.org/conda-forge/linux-64/repodata.json",
        f"{FORGE}?x=1",
        "file:///tmp/channel/noarch/repodata.json",
        "ftp://ftp.example/noarch/repodata.json",
    ],
)
@pytest.mark.usefixtures("gateway")
def test_what_is_somebodys_own_or_no_plain_file_is_left_alone(conda: Stub, url: str) -> None:
    assert prepared(conda, url).url == requests.Request("GET", url).prepare().url


@pytest.mark.usefixtures("gateway")
def test_when_nobody_answers_or_conda_is_offline_requests_are_as_ever(conda: Stub) -> None:
    conda.context.offline = True
    assert prepared(conda, FORGE).url == FORGE
    conda.context.offline = False
    for address in ("", "nonsense", "https://127.0.0.1:1", f"http://127.0.0.1:{free_port()}"):
        conda.context.plugins.headrace_gateway = address
        assert prepared(conda, FORGE).url == FORGE


@pytest.mark.usefixtures("gateway")
def test_whatever_is_wrong_with_us_conda_goes_on(
    conda: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise RuntimeError("headrace's own fault")

    monkeypatch.setattr(conda.load("reroute"), "gateway", broken)
    assert prepared(conda, FORGE).url == FORGE


@pytest.mark.usefixtures("gateway")
def test_headrace_run_goes_before_what_on_wrote(
    conda: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RecordingServer() as other:
        monkeypatch.setenv("HEADRACE_CONDA_GATEWAY", other.url)
        assert prepared(conda, FORGE).url.startswith(f"{other.url}/conda/")


# ------------------------------------------------------------------ the user's own settings


@pytest.mark.usefixtures("gateway")
def test_the_users_own_handler_wins_by_pattern_and_by_name(conda: Stub) -> None:
    def handler(channel: str) -> Any:
        def sign(request: Any) -> Any:
            request.headers["Authorization"] = f"mine for {channel}"
            return request

        return sign

    conda.handlers["mine"] = handler
    for channel in ("https://conda.anaconda.org/conda-forge/*", "a-channel"):
        conda.context.channel_settings = [
            {"channel": channel, "auth": "mine"},
            {"channel": "https://conda.anaconda.org/*", "auth": "headrace"},
        ]
        request = prepared(conda, FORGE)
        assert request.url == FORGE
        assert request.headers["Authorization"] == "mine for a-channel"


@pytest.mark.parametrize(
    "entry",
    [
        {"channel": "https://conda.anaconda.org/other/*", "auth": "mine"},
        {"channel": "http://conda.anaconda.org/*", "auth": "mine"},
        {"channel": "*", "auth": "mine"},
        {"channel": "https://conda.anaconda.org/*", "auth": " "},
        {"channel": "https://conda.anaconda.org/*", "exclude_newer": "7d"},
        {"auth": "mine"},
    ],
)
def test_an_entry_that_is_for_others_is_no_hindrance(
    conda: Stub, gateway: RecordingServer, entry: dict[str, str]
) -> None:
    conda.context.channel_settings = [entry]
    assert prepared(conda, FORGE).url.startswith(gateway.url)


@pytest.mark.usefixtures("gateway")
def test_a_handler_that_is_not_installed_means_condas_own_way(conda: Stub) -> None:
    conda.context.channel_settings = [{"channel": "a-channel", "auth": "gone"}]
    assert prepared(conda, FORGE).url == FORGE


# ------------------------------------------------------------------ what a login adds


def token(request: Any) -> None:
    scheme, _, host, path = request.url.split("/", 3)
    request.url = f"{scheme}//{host}/t/to-ken/{path}"


def netrc(request: Any) -> None:
    request.headers["Authorization"] = PASSWORD


@pytest.mark.parametrize("login", [token, netrc])
def test_a_public_channel_needs_no_login(conda: Stub, gateway: RecordingServer, login: Any) -> None:
    conda.login = login
    request = prepared(conda, FORGE)
    assert request.url == f"{gateway.url}/conda/{FORGE.removeprefix('https://')}"
    assert "Authorization" not in request.headers


@pytest.mark.usefixtures("gateway")
@pytest.mark.parametrize("login", [token, netrc])
@pytest.mark.parametrize(
    "url",
    [
        OWN,
        "https://conda.anaconda.org/conda-forge-private/noarch/repodata.json",
        "https://conda.anaconda.org/conda-forge",
        "https://conda.anaconda.org/conda-forge/%2e%2e/my-company/noarch/repodata.json",
        "https://repo.anaconda.com/pkgs/snowflake/noarch/repodata.json",
        "https://conda.corp.example/conda-forge/noarch/repodata.json",
    ],
)
def test_any_other_channel_keeps_its_login_and_its_way(conda: Stub, url: str, login: Any) -> None:
    conda.login = login
    request = prepared(conda, url)
    plain = requests.Request("GET", url).prepare()
    login(plain)
    assert (request.url, dict(request.headers)) == (plain.url, dict(plain.headers))


# ------------------------------------------------------------------ the gateway's answers


def test_an_answer_bears_the_channels_own_name(
    conda: Stub, gateway: RecordingServer, origin: RecordingServer
) -> None:
    gateway.content[at_gateway(origin)] = b"ours"
    answer = got(conda, origin.url + PATH)
    assert (answer.content, answer.url) == (b"ours", origin.url + PATH)
    assert not origin.seen
    assert got(conda, f"{origin.url}/missing").status_code == 404
    assert not origin.seen


@pytest.mark.parametrize("status", [401, 403, 421])
def test_what_the_gateway_refuses_is_asked_of_the_origin_as_conda_would(
    conda: Stub, gateway: RecordingServer, origin: RecordingServer, status: int
) -> None:
    conda.context.plugins.headrace_gateway = gateway.url.replace("//", "//headrace:t0k@")
    gateway.content[at_gateway(origin)] = Reply(b"no", status)
    wanted = {"If-None-Match": '"x"', "Accept-Encoding": "gzip"}
    answer = got(conda, origin.url + PATH, **wanted)
    assert (answer.status_code, answer.content, answer.url) == (200, b"origin's", origin.url + PATH)
    assert answer.request.url == origin.url + PATH
    (seen,) = origin.seen
    assert "authorization" not in seen.headers
    assert seen.headers["if-none-match"] == '"x"'
    assert len(gateway.seen) == 1


def test_the_gateways_token_goes_to_the_gateway_alone(
    conda: Stub, gateway: RecordingServer, origin: RecordingServer
) -> None:
    conda.context.plugins.headrace_gateway = gateway.url.replace("//", "//headrace:t%2F0k@")
    wanted = "Basic " + base64.b64encode(b"headrace:t/0k").decode()
    to_origin = {"Location": origin.url + PATH}
    gateway.content[at_gateway(origin)] = Reply(b"", 307, headers=to_origin)
    answer = got(conda, origin.url + PATH)
    assert (answer.content, answer.url) == (b"origin's", origin.url + PATH)
    assert gateway.seen[0].headers["authorization"] == wanted
    assert "authorization" not in origin.seen[0].headers


def test_an_origin_that_redirects_after_a_refusal_gets_no_token_of_ours(
    conda: Stub, gateway: RecordingServer, origin: RecordingServer
) -> None:
    conda.context.plugins.headrace_gateway = gateway.url.replace("//", "//headrace:t0k@")
    origin.content["/elsewhere"] = b"moved"
    origin.content[PATH] = Reply(b"", 302, headers={"Location": "/elsewhere"})
    gateway.content[at_gateway(origin)] = Reply(b"", 421)
    answer = got(conda, origin.url + PATH)
    assert (answer.content, answer.url) == (b"moved", f"{origin.url}/elsewhere")
    assert [seen.path for seen in origin.seen] == [PATH, "/elsewhere"]
    assert not [seen for seen in origin.seen if "authorization" in seen.headers]


def test_a_redirect_that_is_the_origins_own_is_followed(
    conda: Stub, gateway: RecordingServer, origin: RecordingServer
) -> None:
    with RecordingServer({"/cdn": b"from the CDN"}, name="cdn") as cdn:
        to = {"Location": f"{cdn.url}/cdn"}
        gateway.content[at_gateway(origin)] = Reply(b"", 302, headers=to)
        answer = got(conda, origin.url + PATH)
        assert (answer.content, answer.url) == (b"from the CDN", f"{cdn.url}/cdn")
        assert "authorization" not in cdn.seen[0].headers


@pytest.mark.usefixtures("origin")
def test_the_users_proxy_is_asked_for_the_origin_and_never_for_the_gateway(
    conda: Stub,
    gateway: RecordingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    far = "http://conda.far.example/conda-forge/noarch/repodata.json"
    path = f"/conda/http+{far.removeprefix('http://')}"
    with RecordingServer(name="proxy") as proxy:
        proxy.mounts["/"] = lambda path, _: Reply(b"by proxy")
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        gateway.content[path] = Reply(b"", 421)
        session = requests.Session()
        session.auth = conda.load("reroute").Reroute("a-channel")
        session.proxies.update({"http://127.0.0.1": ""})
        answer = session.get(far, timeout=HANG)
        assert answer.content == b"by proxy"
        assert len(gateway.seen) == 1
