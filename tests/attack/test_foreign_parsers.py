"""Whatever others write, its parser raises one of our errors, and the work goes on without it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgpack
import pytest

from headrace.config import Folders, Settings
from headrace.errors import ConfigurationError, LocalError, UpstreamError
from headrace.foreign import UnreadableError, foreign, read_json, read_json_or_none, read_toml
from headrace.http import caching
from headrace.http.byteranges import PartsParser
from headrace.http.ranges import ContentRange, read_length, read_range_set
from headrace.interface.editing import toml_text
from headrace.models import Document, Origin, Request, ServeDocument
from headrace.redact import for_display
from headrace.system.accelerators import records
from headrace.system.accelerators.cache import Cache
from headrace.system.accelerators.child_query import _facts
from headrace.system.edits.file_step import LARGEST, read_file
from headrace.system.edits.journal import Journal
from headrace.system.state import State
from headrace.system.storage.copies import Copies
from headrace.upstream.auth import bearer
from headrace.upstream.responses import judge_artifact, judge_status
from headrace.upstream.sent_request import netloc_of
from headrace.variants import wheels
from headrace.variants.builds import ListedFile
from headrace_conda.builds.listing import Shards
from headrace_conda.builds.reading import RecordReader, SeenMachine
from headrace_conda.builds.records import builds_in, newest_first
from headrace_conda.channels import repodata
from headrace_conda.channels.ecosystem import CondaEcosystem
from headrace_docker.config_files import (
    daemon_json,
    docker_config,
    registries_conf,
    registries_yaml,
)
from headrace_docker.gpu import preflight
from headrace_docker.registry_api import manifests
from headrace_pip.index import environment, read_ahead
from headrace_pip.index.ecosystem import PythonEcosystem
from headrace_pip.index.wheel_metadata import metadata_of_wheel
from headrace_pip.pytorch import index as pytorch
from headrace_pip.tools import origins, pip_text
from lib.hostile.packed import zstd

Kind = TypeVar("Kind", bound=Exception)

FILE = Path("file")
PAGE = "https://index.example/simple/foo/"
PYTHON = PythonEcosystem([Origin("python", "https://index.example/simple")])
PLAN = ServeDocument(PYTHON.origins[0], PAGE, "", key=PAGE)
GATEWAY = "http://127.0.0.1:17223"
DEEP = 100_000

#: No JSON, JSON of another kind, and JSON that breaks what reads it.
JSON: tuple[bytes, ...] = (
    b"",
    b" ",
    b"null",
    b"true",
    b"1",
    b'"text"',
    b"[]",
    b"[1]",
    b"{",
    b"\xff\xfe",
    b"\x00",
    b"[" * DEEP,
    b'{"a":' * DEEP,
    b"1" * 5000,
    b"1e999",
    b"-1e999",
    b"NaN",
    b"Infinity",
    b'{"a":1,"a":[]}',
    b'"\\ud800"',
    b'{"\\ud800":"\\ud800"}',
)
#: What may stand where something else should.
ODD: tuple[Any, ...] = (None, True, -1, 0.5, 10**30, "", "\ud800", "x\ny", [], [[]], {}, {"a": {}})


def tables(*keys: str, within: Callable[[Any], Any] = lambda table: table) -> tuple[bytes, ...]:
    """Give tables in which one key has what should stand elsewhere."""
    return tuple(json.dumps(within({key: odd})).encode() for key in keys for odd in ODD)


def page(kind: str) -> Callable[[bytes], object]:
    def read(body: bytes) -> object:
        document = Document(PAGE, body, kind)
        for form in ("json", "html"):
            PYTHON.rewrite(document, form, PLAN)
        agent = 'pip/24.0 {"python":"3.12.1","system":{"name":"Linux"},"cpu":"x86_64"}'
        asked = Request("GET", "/simple/foo/", headers={"user-agent": agent})
        return list(PYTHON.artifacts(document, PLAN)), list(PYTHON.leads_to(PLAN, document, asked))

    return read


def metadata(body: bytes) -> object:
    where = environment.read('pip/24.0 {"python":"3.12.1","system":{"name":"Linux"}}')
    assert where is not None
    return list(read_ahead.required_projects(body.decode("utf-8", "replace"), where))


def packed(*values: Any) -> tuple[bytes, ...]:
    return tuple(zstd(msgpack.packb(value)) for value in values)


def text(call: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda body: call(body.decode("utf-8", "surrogateescape"))


def raised(kind: type[Kind], call: Callable[[], object]) -> Kind | None:
    """Return the error of that kind that comes of a call, if any; any other is the test's."""
    try:
        call()
    except kind as error:
        return error
    return None


def _unpack(body: bytes, kind: bytes) -> list[bytes]:
    return list(repodata.unpacked([body], kind))


@dataclass(frozen=True, slots=True)
class Row:
    """One parser, what it may raise (nothing: it never does), and what is put to it."""

    name: str
    read: Callable[[bytes], object]
    raises: tuple[type[Exception], ...]
    bad: tuple[bytes, ...]


def _one_file(table: Mapping[str, Any]) -> Any:
    entry = {"filename": "foo-1.0-py3-none-any.whl", "url": "https://h/foo-1.0-py3-none-any.whl"}
    return {"files": [{**entry, **table}]}


URLS = (
    b"http://[",
    b"http://[/x",
    b"http://h:99999/",
    b"http://h:x/",
    b"//",
    b"http:///x",
    b"http://[::1]x/",
)
UNREADABLE = (UnreadableError,)
SETTINGS = (ConfigurationError,)
SHARDS = (
    b"",
    b"\x28\xb5\x2f\xfd",
    b"\x28\xb5\x2f\xfd\x00\x58\x01",
    zstd(b""),
    zstd(b"\xc1"),
    zstd(b"\x91" * 5000),
    zstd(b"\xdf\xff\xff\xff\xff"),
    zstd(b"\xc6\xff\xff\xff\xff"),
    zstd(b"\x81\x90\x01"),
    *packed(None, 1, "x", [], [1], {}, {1: 2}, {"packages": 1}, {"packages": {"a": []}}),
    *packed(*({"packages": {"a-1-0.conda": {"sha256": odd, "size": 1}}} for odd in ODD[:4])),
    *packed({"packages": {"a-1-0.conda": {"depends": 5}}}, {"packages": {1: {"depends": [None]}}}),
    *packed({"info": 1, "shards": {}}, {"info": {}, "shards": []}, {"shards": {"a": b"x" * 32}}),
    *packed({"info": {"base_url": "http://["}, "shards": {"a": b"x" * 32}}),
)
HTML = (
    b"",
    b"\xff\xfe\x00",
    b"<![",
    b"<![if",
    b"<!DOCTYPE [<!ENTITY",
    b"<!ELEMENT",
    b"<!--",
    b"<a href='",
    b"<a href=&#" + b"9" * 5000 + b";x>",
    b"<a href=&#xd800;x.zip>",
    b"<!--SERIAL " + b"9" * 5000 + b"-->",
    "<!--SERIAL \u0663-->".encode(),
    b"<meta name=pypi:repository-version content=>",
    *(b"<a href=" + url + b">x</a>links for" for url in URLS),
    *(b"<base href=" + url + b"><a href=foo-1.0.zip>" for url in URLS),
    *(b"<a href=foo-1.0.zip data-provenance=" + url + b">" for url in URLS),
    b"<a href=foo-1.0.zip data-requires-python='" + b"(" * 5000 + b"'>",
    b"<a href=foo-" + b"9" * 5000 + b".zip>",
    b"<div>" * 50_000 + b"links for",
)
NUMBERS = (
    "",
    " ",
    "-1",
    "+1",
    "1.5",
    "1e5",
    "1e999",
    "nan",
    "inf",
    "9" * 5000,
    "\u00b2",
    "\u0663",
    "1_0",
    "0x1",
)
DATES = ("Mon, 99 Jan 99999 99:99:99 GMT", "Mon, 01 Jan 9999 00:00:00 +9999", "x" * 500, ":" * 90)


def _shard_read(body: bytes) -> object:
    ecosystem = CondaEcosystem([Origin("conda", "https://conda.example")])
    plan = ecosystem.plan(
        Request("GET", "/conda/conda.example/c/noarch/repodata_shards.msgpack.zst")
    )
    assert isinstance(plan, ServeDocument)
    index = repodata.read_index(body)
    return [index.shard_url(plan.url, name) for name in index.shards if index.base_url == "x"]


def _builds_read(body: bytes) -> object:
    builds = builds_in("a", repodata.records_in(body).values())
    return RecordReader(SeenMachine({}), lambda _: builds).verdicts(builds)


def _channel_read(body: bytes) -> object:
    return Shards(lambda path, accept: body, "linux-64").of("a")


def _searched(body: bytes) -> object:
    found = read_json_or_none(body)
    listed = list(found.values()) if isinstance(found, dict) else found
    many = listed if isinstance(listed, list) else [listed]
    shapes = [*many, *({"depends": each, "version": each, "size": each} for each in many)]
    return newest_first(builds_in("a", shapes))


def _settings(body: bytes, tmp_path: Path) -> object:
    folders = Folders(tmp_path, tmp_path, tmp_path)
    (tmp_path / "config.toml").write_bytes(body)
    return Settings.load(folders, {})


ROWS = (
    Row("JSON", read_json, UNREADABLE, JSON),
    Row("JSON or nothing", read_json_or_none, (), JSON),
    Row(
        "a page in JSON",
        page("application/vnd.pypi.simple.v1+json"),
        (ValueError,),
        (
            *JSON,
            *tables("files", "meta", "versions", "name", "project-status"),
            *tables("files", within=lambda table: {**table, "meta": {"api-version": "1.0"}}),
            *tables(
                "api-version", "_last-serial", within=lambda table: {"files": [], "meta": table}
            ),
            *tables(
                "url",
                "filename",
                "hashes",
                "yanked",
                "size",
                "requires-python",
                "core-metadata",
                "provenance",
                "upload-time",
                "gpg-sig",
                "sha256",
                within=_one_file,
            ),
            *(
                json.dumps(_one_file({key: url.decode()})).encode()
                for key in ("url", "provenance")
                for url in URLS
            ),
            json.dumps(_one_file({"requires-python": "(" * 5000})).encode(),
            json.dumps(_one_file({"filename": f"foo-{'9' * 5000}.tar.gz"})).encode(),
            json.dumps(
                _one_file({"filename": "foo-1-" + "-".join(["a." * 80] * 3) + ".whl"})
            ).encode(),
        ),
    ),
    Row("a page in HTML", page("text/html"), (ValueError,), HTML),
    Row("a page of odd kinds", page("text/html; charset=idna"), (ValueError,), HTML),
    Row("a page of no codec", page("text/html; charset=unicode_escape"), (ValueError,), (b"\\x",)),
    Row(
        "metadata",
        metadata,
        (),
        (
            b"Requires-Dist: " + b"(" * 5000,
            b"Requires-Dist: a; " + b"(" * 1500,
            b"Requires-Dist: a; os_name == 'a' and " + b"(" * 900 + b"os_name == 'b'" + b")" * 900,
            b"Requires-Dist: a; python_version > '" + b"9" * 1800 + b"'",
            b"Requires-Dist: a; extra == 'x' or platform_release > '...'",
            b"Requires-Dist: a @ http://[",
            b"Requires-Dist:",
            b"\xff\xfe",
            b"Requires-Dist: a (>=" + b"1." * 900 + b")",
        ),
    ),
    Row(
        "a wheel",
        metadata_of_wheel,
        (),
        (
            b"",
            b"PK",
            b"PK\x05\x06" + b"\0" * 18,
            b"PK\x05\x06" + b"\xff" * 18,
            b"PK\x03\x04" * 100,
        ),
    ),
    Row(
        "a User-Agent",
        text(environment.read),
        (),
        (
            b"pip/" + b"9" * 3000 + b".1 {}",
            *(
                b"pip/24.0 " + body
                for body in (
                    *JSON,
                    *tables(
                        "python",
                        "implementation",
                        "system",
                        "cpu",
                        "distro",
                        within=lambda table: {
                            "python": "3.12",
                            "system": {"name": "Linux"},
                            **table,
                        },
                    ),
                )
            ),
        ),
    ),
    Row(
        "names of wheels",
        text(
            lambda name: (
                wheels.candidates_from("foo", [ListedFile(name)]),
                pytorch.version_of(name),
            )
        ),
        (),
        (
            b"",
            b"-",
            b"foo-1",
            b"foo-" + b"9" * 5000 + b"-py3-none-any.whl",
            b"foo-1!-py3-none-any.whl",
            b"foo-1-" + b"-".join([b"a." * 60] * 3) + b".whl",
            b"\xff-1-py3-none-any.whl",
        ),
    ),
    Row(
        "flat repodata",
        lambda body: list(repodata.flat_entries([body])),
        (ValueError,),
        (
            *JSON,
            *tables("packages", "packages.conda", "info"),
            *tables("sha256", "size", within=lambda table: {"packages": {"a-1-0.conda": table}}),
            b'{"packages":{"\\ud800":{}}}',
            b'{"packages":{"a":' + b"[" * DEEP,
            b'{"info":{"base_url":1}}',
        ),
    ),
    Row(
        "packed repodata",
        lambda body: [
            raised(ValueError, partial(_unpack, body, kind))
            for kind in (repodata.ZSTD, repodata.BZIP2)
        ],
        (ValueError,),
        (
            b"\x28\xb5\x2f\xfd",
            b"\x28\xb5\x2f\xfd\xff\xff",
            b"BZh9",
            b"BZh9" + b"\xff" * 50,
            gzip.compress(b"x"),
        ),
    ),
    Row("an index of shards", _shard_read, (ValueError,), SHARDS),
    Row(
        "a shard",
        lambda body: (repodata.read_shard(body), repodata.names_needed(body)),
        (ValueError,),
        SHARDS,
    ),
    Row("a shard's builds", _builds_read, (ValueError,), SHARDS),
    Row("a channel's shards", _channel_read, (), SHARDS),
    Row("what conda's search shows", _searched, (ValueError,), JSON),
    Row(
        "a manifest",
        lambda body: list(manifests.descriptors(body)),
        (ValueError,),
        (
            *JSON,
            *tables(
                "schemaVersion",
                "config",
                "layers",
                "manifests",
                within=lambda t: {"schemaVersion": 2, **t},
            ),
            *tables(
                "digest",
                "size",
                "mediaType",
                within=lambda t: {
                    "schemaVersion": 2,
                    "layers": [{"digest": "sha256:" + "a" * 64, "size": 1, "mediaType": "x", **t}],
                },
            ),
        ),
    ),
    Row(
        "a configuration of an image",
        lambda body: preflight.read_facts({"layers": []}, body, "t", ()),
        UNREADABLE,
        (
            *JSON,
            *tables("config", "architecture", "os"),
            *tables("Env", within=lambda t: {"config": t}),
            *(
                json.dumps({"config": {"Env": [f"{name}={'9' * 5000}"]}}).encode()
                for name in ("CUDA_VERSION", "NVIDIA_REQUIRE_CUDA")
            ),
            json.dumps({"config": {"Env": ["NVIDIA_REQUIRE_CUDA=cuda>=" + "9." * 3000]}}).encode(),
        ),
    ),
    Row(
        "a challenge",
        text(bearer.parse),
        (),
        (
            b"",
            b"Bearer",
            b'Bearer realm="',
            *(b'Bearer realm="' + url + b'"' for url in URLS),
            b"Bearer realm=\xff",
        ),
    ),
    Row(
        "a token",
        bearer._token_in,
        UNREADABLE,
        (
            *JSON,
            *tables("token", "access_token"),
            *tables("expires_in", within=lambda t: {"token": "x", **t}),
            b'{"token":"x","expires_in":1e999}',
            b'{"token":"x","expires_in":"' + b"9" * 5000 + b'"}',
            b'{"token":"x\\ny"}',
            b'{"token":"\\u00e9"}',
        ),
    ),
    Row("an address to ask", text(netloc_of), (UpstreamError,), URLS),
    Row("an address for display", text(for_display), (), URLS),
    Row(
        "the length and range of a body",
        text(
            lambda value: [
                read_length(value),
                read_range_set(value),
                raised(
                    UpstreamError,
                    lambda: judge_artifact(200, {"content-length": value}, "https://h/", None),
                ),
                raised(
                    UpstreamError,
                    lambda: judge_artifact(206, {"content-range": value}, "https://h/", (0, 1)),
                ),
                raised(ValueError, lambda: ContentRange.parse(value)),
            ]
        ),
        (),
        tuple(
            form.replace("N", n).encode()
            for n in NUMBERS
            for form in ("N", "bytes N-N/N", "bytes */N", "bytes=N-N", "bytes=N-N,N-,-N")
        ),
    ),
    Row(
        "an answer with several parts",
        lambda body: list(PartsParser("multipart/byteranges; boundary=b", 50).feed(body)),
        (ValueError,),
        (
            *(f"--b\r\nContent-Range: bytes {n}-{n}/{n}\r\n\r\nx".encode() for n in NUMBERS),
            b"--b\r\nContent-Range: bytes 0-9/50\r\n" * 2 + b"\r\nabcdefghij",
            b"--b\r\nContent-Range: bytes */50\r\n\r\n",
            b"--b\r\nContent-Type: a/b\r\n\r\n",
            b"--b\r\n\r\n\r\n",
            b"--b\r\nContent-Range: bytes 0-0/50\r\n\r\nx--b--",
            b"--b" * 3000,
            b"\r\n" * 5000,
        ),
    ),
    Row(
        "the kind of an answer with several parts",
        text(lambda kind: PartsParser(kind, 50)),
        (ValueError,),
        (
            b"multipart/byteranges",
            b"multipart/byteranges; boundary=",
            b'multipart/byteranges; boundary="',
            b'multipart/byteranges; boundary=""',
            b"multipart/byteranges; boundary=" + b"b" * 71,
            b"multipart/byteranges; boundary=b\r\nx",
            b"multipart/byteranges; boundary=\xff",
            b";" * 9000,
        ),
    ),
    Row(
        "lifetimes and pauses",
        text(
            lambda value: [
                caching.freshness_lifetime({"cache-control": f"max-age={value}", "age": value}),
                caching.request_max_age({"cache-control": f"max-age={value}"}),
                judge_status(429, {"retry-after": value}, "https://h/"),
            ]
        ),
        (),
        tuple(each.encode() for each in (*NUMBERS, *DATES)),
    ),
    Row(
        "TOML",
        lambda body: read_toml(body, FILE),
        SETTINGS,
        (
            b"\xff",
            b"a",
            b"a = " + b"[" * DEEP,
            b"a = " + b"{b = " * DEEP,
            b"a" + b".a" * 5000 + b" = 1",
            b"a = " + b"9" * 5000,
            b"a = 9999-99-99",
            b"a = '''",
            b"[a]\n[a]\n",
        ),
    ),
    Row(
        "a key in TOML",
        lambda body: toml_text.set_key(body, ("pip", "index-url"), GATEWAY, FILE),
        SETTINGS,
        (
            b"pip = 1",
            b"pip = []",
            b"[[pip]]",
            b"pip = {a = 1}",
            b"[pip.index-url]",
            b"[pip]\nindex-url = []\n",
            b"\xff",
            b"a = " + b"[" * 2000,
            b"pip.x = 1\n[pip]\n",
        ),
    ),
    Row(
        "pip's configuration",
        lambda body: pip_text.routed(body, GATEWAY, None, FILE),
        SETTINGS,
        (
            b"x",
            b"[",
            b"[]",
            b"[a]\n[a]",
            b"[a]\nb",
            b"[a]\nb=1\nb=2",
            b"= 1",
            b"[DEFAULT]\nindex-url = x\n",
            b"[global]\n= x\n",
            b"\xff\xfe",
            b"[global]\nindex-url\n",
            b"\0",
        ),
    ),
    Row(
        "pip's configuration without us",
        lambda body: pip_text.unrouted(b"", b"[global]\nindex-url = x\n", body, FILE),
        SETTINGS,
        (b"", b"x", b"#", b"\n", b"[a", b"[global]", b"[global]\nindex-url = x", b"\xff", b"\0"),
    ),
    Row(
        "an index in a setting",
        text(lambda url: origins.address(url, "pip.conf")),
        SETTINGS,
        (*URLS, b"", b"ftp://h/", b"x"),
    ),
    Row(
        "dockerd's configuration",
        lambda body: daemon_json.add(body, GATEWAY, FILE),
        SETTINGS,
        (
            *JSON,
            *tables("registry-mirrors"),
            b'{"registry-mirrors":["\\ud800"]}',
        ),
    ),
    Row(
        "docker's configuration",
        lambda body: (
            docker_config.find(docker_config.parse(body, FILE), "h"),
            docker_config.helper_of(docker_config.parse(body, FILE), "h"),
            docker_config.lead(body, "headrace", FILE),
        ),
        SETTINGS,
        (
            *JSON,
            *tables("auths", "credHelpers", "credsStore"),
            *tables("h", within=lambda t: {"auths": t}),
            *tables("auth", "identitytoken", within=lambda t: {"auths": {"h": t}}),
        ),
    ),
    Row(
        "registries.conf",
        lambda body: registries_conf.render(
            ["docker.io"], GATEWAY, registries_conf.tables([(FILE, body)]), FILE
        ),
        SETTINGS,
        (
            b"\xff",
            b"registry = 1",
            b"registry = [1]",
            b"[[registry]]\nprefix = []\n",
            b"[registry]\n",
            b"[[registry]]\nprefix = 'docker.io'\nmirror = 1\n",
            b"[[registry]]\nprefix = 'docker.io'\nmirror = [1]\n",
            b"[[registry]]\nprefix = 'docker.io'\nmirror = ['a']\n",
        ),
    ),
    Row(
        "registries.yaml",
        lambda body: registries_yaml.add(body, ["docker.io"], GATEWAY, FILE),
        SETTINGS,
        (
            b"\xff",
            b"[" * 5000,
            b"{" * 5000,
            b"- " * 5000,
            b"mirrors: 1",
            b"mirrors: [1]",
            b"- a",
            b"a: *b",
            b"a: &a [*a]",
            b"mirrors:\n  x: &a 1\n  y: *a\n",
            b"? {}",
            b"!!python/object:os.system x",
            b"\0",
            b"%YAML 9",
            b"a: 99999-99-99",
            b"<<: 1",
            b"mirrors:\n  docker.io: 1\n  docker.io: 2\n",
        ),
    ),
    Row("what a child process says", text(lambda said: list(_facts(said))), (), JSON),
    Row(
        "a host that was found",
        lambda body: records.host_of(read_json(body)),
        (ValueError,),
        (
            *JSON,
            *tables("accelerators", "situation", "tried", "extra"),
            b'{"accelerators":[],"situation":"ordinary","tried":[[1]],"extra":[]}',
        ),
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_nothing_but_our_errors_comes_out_of_a_parser(row: Row) -> None:
    wrong = []
    for bad in row.bad:
        try:
            row.read(bad)
        except row.raises:
            continue
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            wrong.append(f"{bad[:60]!r}: {error!r:.150}")
    assert not wrong, "\n".join(wrong)


STATE = (*JSON, *tables("host", "port", "kept_up_by"), b'{"host":"h","port":0}', b'{"port":1}')


@pytest.mark.parametrize("name", ["gateway.json", "origins.json", "network.json", "token"])
def test_a_broken_state_is_this_machines_trouble(tmp_path: Path, name: str) -> None:
    state = State(Folders(tmp_path, tmp_path, tmp_path))
    for bad in STATE:
        (tmp_path / name).write_bytes(bad)
        for ask in (state.gateway, state.kept_up_by, state.origins, state.network, state.token):
            error = raised(LocalError, ask)
            assert error is None or (name in error.message and error.hint)


def test_a_broken_journal_is_this_machines_trouble(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    entry: dict[str, Any] = {
        "tool": "pip",
        "path": "/x",
        "before": None,
        "after": None,
        "mode": 0,
        "mode_after": 0,
    }
    entry |= {"folders": [], "reason": "", "time": 0}
    whole = [
        {"entries": [{**entry, key: odd}], "pending": []}
        for key in (*entry, "reload")
        for odd in ODD
    ]
    bad = (*JSON, *tables("entries", "pending"), *(json.dumps(each).encode() for each in whole))
    for each in bad:
        path.write_bytes(each)
        error = raised(LocalError, Journal(path).entries)
        assert error is None or str(path) in error.message
    path.write_bytes(b"[]")
    with pytest.raises(LocalError, match="cannot be read"):
        Journal(path).entries()


def test_what_was_kept_and_is_broken_was_not_kept(tmp_path: Path) -> None:
    copies, cache = Copies(tmp_path / "copies"), Cache(tmp_path)
    for bad in (*JSON, *tables("key", "document", "version", "size")):
        note = copies._note("k")
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_bytes(bad)
        assert copies.get("k") is None
        file = cache._file({})
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bad)
        assert cache.read({}) is None


def test_a_file_that_is_too_large_for_a_configuration_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "pip.conf"
    path.write_bytes(b"#" * LARGEST)
    assert read_file(path) is not None
    path.write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(ConfigurationError, match=r"pip\.conf is larger than"):
        read_file(path)


@pytest.mark.parametrize(
    "error",
    [RecursionError(), KeyError("a"), AssertionError("x\ny"), OverflowError(), UnicodeError("u")],
    ids=repr,
)
def test_the_border_says_in_one_line_what_a_parser_met(error: Exception) -> None:
    with pytest.raises(UnreadableError) as caught, foreign("a page"):
        raise error
    assert caught.value.message.startswith("a page cannot be read: ")
    assert "\n" not in caught.value.message
    assert caught.value.fault_of == "whoever wrote it"
    with (
        pytest.raises(LocalError, match="mine"),
        foreign("a page", lambda why: LocalError("x", f"mine {why}")),
    ):
        raise error


@pytest.mark.parametrize(
    "error", [MemoryError(), KeyboardInterrupt(), LocalError("x", "ours")], ids=repr
)
def test_the_border_lets_pass_what_is_nobodys_text(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, foreign("a page"):
        raise error
    assert caught.value is error
