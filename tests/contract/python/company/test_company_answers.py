"""A company's index that does not give what is asked: every client ends as it does without us.

The rows are in `company_answers.toml`. Each is run twice with the real client, alone and through
the gateway, beside a public index that knows the same name.
"""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import re
import tomllib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lib import wheels
from lib.clients import (
    ALL,
    NAMES,
    PIPS,
    UVS,
    Environment,
    Installer,
    Pip,
    Result,
    make_client,
)
from lib.gateway import Gateway
from lib.index import Index
from lib.serving import modes
from lib.serving.servers import RecordingServer, Reply, Seen
from lib.waiting import HANG

ROWS: dict[str, list[dict[str, Any]]] = tomllib.loads(
    Path(__file__).with_name("company_answers.toml").read_text("utf-8")
)
USER, PASSWORD, TOKEN = "user", "secret-of-the-company", "token-of-the-gateway"
LOGINS = {"url": f"{USER}:{PASSWORD}@", "wrong": f"{USER}:of-yesterday@", "user": f"{USER}@"}
FAULTS = {"silent": modes.SILENT, "garbage": modes.GARBAGE, "cut": modes.cut(10)}
FAULTS |= {"html": modes.HTML, "dropped": modes.HANG_UP}
_numbers = itertools.count()


@dataclass
class Company:
    """A company's index and the public one, with one project for each run."""

    root: Path
    pages: RecordingServer
    public: RecordingServer
    elsewhere: RecordingServer
    stack: contextlib.ExitStack
    own: Index = field(default_factory=Index)
    theirs: Index = field(default_factory=Index)
    gateways: dict[str, Gateway] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.index = self.own.mount_origin(self.pages)
        self.other = self.theirs.mount_origin(self.public)
        self.elsewhere.credential = ("other", "login")
        self.elsewhere.mounts["/"] = lambda *_: Reply(b"", 404)
        self.pages.mounts["/sign-in"] = lambda *_: Reply(
            b"<!DOCTYPE html><html><body><form>Sign in</form></body></html>", 200, "text/html"
        )

    def url(self, login: str) -> str:
        """Give the index's URL as the user has it."""
        return self.index.replace("http://", f"http://{LOGINS.get(login, '')}") + "/"

    def gateway(self, login: str) -> Gateway:
        """Give a gateway that has what its user has; one for all rows of a kind."""
        if login not in self.gateways:
            made = Gateway(self.root / f"gateway-{next(_numbers)}", origins=[self.url(login)])
            state = made.root / "state"
            state.mkdir(parents=True)
            (state / "token").write_text(json.dumps(TOKEN), "ascii")
            if login == "netrc":
                netrc(Path(made.env["HOME"]))
            self.gateways[login] = self.stack.enter_context(made)
        return self.gateways[login]

    def forget(self, row: Mapping[str, Any]) -> None:
        """End a gateway that was told to leave the whole server alone: the next row is another."""
        if row.get("status") == 429 and (made := self.gateways.pop(row.get("login", "url"), None)):
            made.close()

    def project(self) -> str:
        """Put a new project on both indexes, the newer release on the company's."""
        name = f"ours{next(_numbers)}"
        self.own.add(wheels.wheel(name, "2.0", seed="company"))
        self.theirs.add(wheels.wheel(name, "1.0", seed="public"))
        return name

    def seen(self, project: str) -> list[Seen]:
        return [seen for seen in self.pages.seen if f"/{project}" in seen.path]


def netrc(home: Path) -> None:
    file = home / ".netrc"
    file.write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n", "utf-8")
    file.chmod(0o600)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with contextlib.ExitStack() as stack:
        pages, public, elsewhere = (
            stack.enter_context(RecordingServer(name=name))
            for name in ("company", "public", "elsewhere")
        )
        yield Company(tmp_path_factory.mktemp("company"), pages, public, elsewhere, stack)


def arrange(company: Company, row: Mapping[str, Any], kind: str, project: str) -> None:
    """Have the company's server answer for a project as the row says."""
    match = {
        "page": f"/simple/{project}/*",
        "file": f"/packages/*/{project}-*.whl",
        "metadata": f"/packages/*/{project}-*.metadata",
    }[kind]
    login = row.get("login", "url")
    company.pages.credential = None if login == "none" else (USER, PASSWORD)
    company.pages.fail(modes.OK)
    if row.get("fault") == "refused":
        return
    if "fault" in row:
        company.pages.fail(FAULTS[row["fault"]], match, times=row.get("times"))
        return
    if kind != "page":
        company.pages.fail(modes.status(row["status"]), match, times=row.get("times"))
        return
    if row["status"] == 200 and "body" not in row:
        return
    left = itertools.count(row.get("times", 1 << 30), -1)
    usual = company.pages.mounts["/simple/"]

    def answer(path: str, headers: Mapping[str, str]) -> Reply:
        return usual(path, headers) if next(left) <= 0 else reply(company, row)

    company.pages.mounts[f"/simple/{project}/"] = answer


def reply(company: Company, row: Mapping[str, Any]) -> Reply:
    headers: dict[str, str] = {}
    if "challenge" in row:
        headers["WWW-Authenticate"] = row["challenge"]
    if "retry_after" in row:
        headers["Retry-After"] = row["retry_after"]
    if "location" in row:
        wants = "wants" in row["location"]
        headers["Location"] = f"{(company.elsewhere if wants else company.pages).url}/sign-in"
    body = "" if row["status"] == 204 else row.get("body", "no\n")
    return Reply(body.encode(), row["status"], row.get("content_type", "text/plain"), headers)


def install(client: Installer, index: str, company: Company, project: str, patience: int) -> Result:
    """Install as a user does who has both indexes; tried twice where the client tries again."""
    client.point_at(index)
    again = {"PIP_RETRIES": "1", "PIP_RESUME_RETRIES": "1", "UV_HTTP_RETRIES": "1"}
    limits = {"PIP_TIMEOUT": str(patience), "UV_HTTP_TIMEOUT": str(patience)}
    words = ["--extra-index-url", company.other, project]
    if not isinstance(client, Pip):
        words = ["--index-strategy", "unsafe-best-match", *words]
    return client.install(*words, env={**again, **limits})


def ending(environment: Environment, result: Result, project: str) -> str:
    """Say how it ended, in the words of the table."""
    file = environment.packages / project / "__init__.py"
    if file.exists():
        return "company" if "company" in file.read_text("utf-8") else "public"
    assert result.code != 0, result.told()
    return "prompts" if "EOFError" in result.err else "stops"


def cases(kind: str) -> list[Any]:
    newest = (f"pip-{PIPS[-1]}", f"uv-{UVS[-1]}")
    every = itertools.product(NAMES if ALL else newest, ROWS[kind])
    return [pytest.param(name, row, id=f"{row['name']}-{name}") for name, row in every]


@pytest.mark.parametrize(("name", "row"), cases("page"))
def test_page_that_is_not_given_ends_the_client_as_without_us(
    company: Company, tmp_path: Path, name: str, row: dict[str, Any]
) -> None:
    ends_as_alone(company, tmp_path, name, row, "page")


@pytest.mark.parametrize(("name", "row"), cases("file"))
def test_file_that_is_not_given_ends_the_client_as_without_us(
    company: Company, tmp_path: Path, name: str, row: dict[str, Any]
) -> None:
    ends_as_alone(company, tmp_path, name, row, "file")


@pytest.mark.parametrize(("name", "row"), cases("metadata"))
def test_metadata_that_is_not_given_ends_the_client_as_without_us(
    company: Company, tmp_path: Path, name: str, row: dict[str, Any]
) -> None:
    ends_as_alone(company, tmp_path, name, row, "metadata")


def ends_as_alone(company: Company, root: Path, name: str, row: dict[str, Any], kind: str) -> None:
    login, patience = row.get("login", "url"), int(row.get("patience", HANG))
    codes, asked = [], []
    for through in (False, True):
        client = make_client(root / f"through-{through}", name)
        if login == "netrc":
            netrc(client.environment.home)
        index = company.url(login)
        if through:
            made = company.gateway(login)
            made.get("/simple/warm-up/", bearing_token())
            index = made.index.replace("http://", f"http://headrace:{TOKEN}@")
        project = company.project()
        arrange(company, row, kind, project)
        with away(company, row):
            result = install(client, index, company, project, patience)
        told = result.told() + (company.gateway(login).told() if through else "")
        expected = row.get(name, row[name.partition("-")[0]])
        assert ending(client.environment, result, project) == expected, told
        assert PASSWORD not in result.out + result.err
        codes.append(result.code)
        asked.append(company.seen(project))
    company.forget(row)
    assert codes[0] == codes[1], told
    if kind == "page" and "fault" not in row and row["sees"] != 302:
        # Who tries again is the client alone; but for a kept connection that proves to be closed.
        assert len(asked[1]) <= len(asked[0]), (asked, told)
    if login == "url":
        assert all("authorization" in seen.headers for seen in asked[1]), asked[1]


@contextlib.contextmanager
def away(company: Company, row: Mapping[str, Any]) -> Iterator[None]:
    """Nobody listens at the company's port meanwhile, where the row says so."""
    if row.get("fault") != "refused":
        yield
        return
    company.pages.close()
    try:
        yield
    finally:
        company.pages.start()


def bearing_token() -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'headrace:{TOKEN}'.encode()).decode()}"}


@pytest.mark.parametrize("kind", ["page", "metadata"])
def test_what_the_gateway_says_is_what_the_table_says(company: Company, kind: str) -> None:
    """One request for each row, by a client that neither follows nor tries again."""
    for row in ROWS[kind]:
        if row["sees"] == "silence":
            continue  # the client's own patience ends it
        login = row.get("login", "url")
        made = company.gateway(login)
        project = company.project()
        arrange(company, row, kind, project)
        path = f"/simple/{project}/"
        if kind == "metadata":
            page = made.get(path, {**bearing_token(), "Accept": "text/html"})[2].decode()
            path = re.findall(r'href="([^"#]+)', page)[0] + ".metadata"
        with away(company, row):
            sees = row["sees"] if isinstance(row["sees"], list) else [row["sees"]]
            assert answer(made, path) in sees, row
        company.forget(row)


def answer(made: Gateway, path: str) -> int | str:
    try:
        return made.get(path, bearing_token())[0]
    except http.client.RemoteDisconnected:
        return "hung up"
    except http.client.IncompleteRead:
        return "cut"


def test_challenge_and_pause_of_the_origin_reach_the_client(company: Company) -> None:
    for name, header, value in (
        ("401 Negotiate to a login", "www-authenticate", "Negotiate"),
        ("429 with a time", "retry-after", "1"),
    ):
        row = next(row for row in ROWS["page"] if row["name"] == name)
        project = company.project()
        arrange(company, row, "page", project)
        told = company.gateway("url").get(f"/simple/{project}/", bearing_token())
        company.forget(row)
        assert told[1][header] == value
        assert b"<" not in told[2], "the origin's page is not for a browser on loopback"
