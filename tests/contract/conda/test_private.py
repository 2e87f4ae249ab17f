"""What is somebody's own goes to its origin alone: not to the gateway, so to no mirror either.

The gateway is a recording server that refuses everything; the plugin then asks the origin, so that
a channel without secrets, which every command here names too, proves that the plugin is at work.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from lib.clients import ALL, Result
from lib.conda.channels import Channel, package
from lib.conda.clients import Conda
from lib.conda.world import CONDAS, NEWEST, inside_alone, make_client, routed
from lib.serving import modes
from lib.serving.servers import Handler, RecordingServer, Reply, Seen

TOKEN = "tk-0123456789-abcdef"
USER, PASSWORD = "nobody", "pass-word-0123"
SECRETS = (TOKEN, PASSWORD, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode())
NAMES = (CONDAS or [NEWEST]) if ALL else [NEWEST]


@dataclass(slots=True)
class Private:
    """A public channel, a private one at another host, and a conda that is routed for both."""

    root: Path
    conda: Conda
    public: RecordingServer
    own: RecordingServer
    gateway: RecordingServer
    public_url: str
    channel: Channel

    def serve(
        self, prefix: str = "", keep: Callable[[Mapping[str, str]], bool] | None = None
    ) -> str:
        """Mount the private channel; `keep` says which headers open it."""
        url = self.channel.mount_origin(self.own, prefix=prefix)
        if keep is not None:
            ((above, answer),) = list(self.own.mounts.items())
            self.own.mounts[above] = _kept(answer, keep)
        return url

    def route(self, *before: str, more: str = "") -> None:
        """Write the condarc: the lines of `before` name channels of the user's own."""
        lines = routed(
            self.gateway.url,
            f"{self.public.url}/*",
            f"{self.own.url.replace('127.0.0.1', 'localhost')}/*",
            f"{self.own.url}/*",
            more=more,
        )
        entries = "".join(before)
        lines = lines.replace("channel_settings:\n", f"channel_settings:\n{entries}", 1)
        self.conda.configure(more=lines)
        self.conda.see_plugin("headrace_conda_inside", inside_alone(self.root / "inside"))

    def install(self, url: str) -> Result:
        """Install something of both channels."""
        return self.conda.create("env", "ours", "theirs", channel=[url, self.public_url])


def _kept(answer: Handler, keep: Callable[[Mapping[str, str]], bool]) -> Handler:
    return lambda path, headers: (
        answer(path, headers) if keep(headers) else Reply(b"no\n", 403, "text/plain")
    )


@pytest.fixture(params=NAMES)
def private(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Private]:
    conda = make_client(str(request.param), tmp_path / "home")
    assert isinstance(conda, Conda)
    with contextlib.ExitStack() as stack:

        def server(name: str) -> RecordingServer:
            return stack.enter_context(RecordingServer(name=name))

        public, own, gateway = server("public"), server("own"), server("gateway")
        gateway.fail(modes.status(403))
        url = Channel("everybody", [package("theirs")]).mount_origin(public)
        channel = Channel("company", [package("ours", depends=["theirs"])])
        yield Private(tmp_path, conda, public, own, gateway, url, channel)


def texts(seen: Seen) -> str:
    return f"{seen.target} {dict(seen.headers)}"


def assert_kept_apart(private: Private) -> None:
    """The gateway heard of the public channel alone, and nobody but its origin of a secret."""
    assert private.gateway.requests("/conda/*/everybody/*"), "the plugin was not at work"
    for seen in private.gateway.seen:
        # conda itself asks for a channel's notices without what it knows of secrets.
        assert "/everybody/" in seen.path or seen.path.endswith("/notices.json"), seen
        assert "authorization" not in seen.headers, seen
    for server in (private.gateway, private.public):
        for seen in server.seen:
            assert not [secret for secret in SECRETS if secret in texts(seen)], seen
    assert private.own.requests("*/ours-1.0-0.conda")
    assert private.conda.meta("env").keys() == {"ours", "theirs"}


def test_channel_with_a_token_in_its_url_is_asked_at_its_origin_alone(private: Private) -> None:
    url = private.serve(f"/t/{TOKEN}")
    private.route()
    private.install(url).ok()
    assert_kept_apart(private)
    assert {s.status for s in private.own.requests(f"/t/{TOKEN}/company/*.conda")} == {200}


def test_channel_with_a_password_in_its_url_is_asked_at_its_origin_alone(
    private: Private,
) -> None:
    url = private.serve()
    private.own.credential = (USER, PASSWORD)
    private.route()
    private.install(url.replace("://", f"://{USER}:{PASSWORD}@")).ok()
    assert_kept_apart(private)


def test_host_that_netrc_has_a_password_for_is_asked_alone(private: Private) -> None:
    # netrc knows hosts without their ports: the public channel's must be another one.
    url = private.serve().replace("127.0.0.1", "localhost")
    private.own.credential = (USER, PASSWORD)
    netrc = private.conda.home / ".netrc"
    netrc.write_text(f"machine localhost login {USER} password {PASSWORD}\n", "utf-8")
    netrc.chmod(0o600)
    private.route()
    private.install(url).ok()
    assert_kept_apart(private)


@pytest.mark.parametrize("where", ["config", "variable"])
def test_token_that_a_login_tool_wrote_goes_to_its_host_alone(private: Private, where: str) -> None:
    private.serve(f"/t/{TOKEN}")
    folder = private.conda.home / ".config" / "binstar"
    if where == "variable":
        folder = private.conda.home / "elsewhere" / "data"
        private.conda.variables["BINSTAR_CONFIG_DIR"] = str(folder.parent)
    folder.mkdir(parents=True)
    (folder / f"{quote_plus(private.own.url)}.token").write_text(TOKEN, "utf-8")
    private.route()
    private.install(f"{private.own.url}/company").ok()
    assert_kept_apart(private)
    assert private.own.requests(f"/t/{TOKEN}/company/*")
    # What conda records is the channel's name without the token.
    assert private.conda.meta("env")["ours"]["url"].startswith(f"{private.own.url}/company/")


_HANDLER = """
import conda.plugins
from conda.plugins.types import ChannelAuthBase, CondaAuthHandler


class Own(ChannelAuthBase):
    def __call__(self, request):
        request.headers["X-Company"] = "{secret}"
        return request


@conda.plugins.hookimpl
def conda_auth_handlers():
    yield CondaAuthHandler(name="company", handler=Own)
"""


@pytest.mark.parametrize("by", ["url", "name"])
def test_channel_with_a_handler_of_the_users_own_is_left_to_it(private: Private, by: str) -> None:
    url = private.serve(keep=lambda headers: headers.get("x-company") == TOKEN)
    folder = private.conda.home / "company"
    folder.mkdir()
    (folder / "company_login.py").write_text(_HANDLER.format(secret=TOKEN), "utf-8")
    private.conda.see_plugin("company_login", folder, name="company-login")
    pattern = f"{private.own.url}/company/*" if by == "url" else url
    private.route(f"  - channel: {pattern}\n    auth: company\n")
    private.install(url).ok()
    assert_kept_apart(private)


def test_refusal_of_the_gateway_does_not_lose_what_conda_had_found(private: Private) -> None:
    # The public channel went to the gateway, was refused there, and came from its origin.
    url = private.serve(f"/t/{TOKEN}")
    private.route()
    private.install(url).ok()
    for seen in private.public.requests("*.conda"):
        assert seen.headers["user-agent"].startswith("conda/")
        assert "x-headrace" not in texts(seen)
    assert len(private.public.requests("*/theirs-1.0-0.conda")) == 1
