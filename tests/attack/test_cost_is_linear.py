"""Nothing that others write costs more than its length.

To add a reader of foreign text: a row in `ROWS`, the function as it is called with what came, and
what would make it look at the same characters again and again.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgpack
import pytest

from headrace.documents import passthrough_headers
from headrace.errors import HeadraceError
from headrace.foreign import read_json, read_toml
from headrace.gateway import request_head
from headrace.http import caching, conditional
from headrace.http.byteranges import PartsParser, framing_of
from headrace.http.ranges import ContentRange
from headrace.interface.editing import toml_text
from headrace.models import Document, Origin, Request, ServeDocument
from headrace.redact import for_display, for_files, has_secret, hide_secrets, split_credential
from headrace.system.accelerators import child_query
from headrace.system.accelerators.nvidia import nvidia_smi
from headrace.system.edits import three_way
from headrace.upstream.auth import bearer
from headrace.upstream.proxies import Proxies
from headrace.upstream.responses import judge_status
from headrace.variants import wheels
from headrace.variants.builds import ListedFile
from headrace_conda.builds import versions as conda_versions
from headrace_conda.channels import ecosystem as conda
from headrace_conda.channels import paths as channel_paths
from headrace_conda.channels import repodata
from headrace_docker.config_files import (
    daemon_json,
    docker_config,
    hosts_toml,
    registries_conf,
    registries_yaml,
)
from headrace_docker.gpu import preflight, requirements
from headrace_docker.registry_api import manifests, names
from headrace_docker.registry_api.image_names import read_name
from headrace_pip.index import environment, read_ahead
from headrace_pip.index.ecosystem import PythonEcosystem
from headrace_pip.pytorch import index as pytorch
from headrace_pip.requested import needs, projects
from headrace_pip.requested.requirement_files import RequirementFiles
from headrace_pip.simple_api import negotiation
from headrace_pip.tools import ini_lines, pip_text
from lib.hostile.cost import growth
from lib.hostile.packed import zstd
from lib.programs import started

#: Between linear (4) and quadratic (16).
BOUND = 9
#: Characters of the largest input: more is measured nowhere.
MOST = 256 << 10

FILE = Path("file")
PAGE = "https://index.example/simple/foo/"
PYTHON = PythonEcosystem([Origin("python", "https://index.example/simple")])
PLAN = ServeDocument(PYTHON.origins[0], PAGE, "", key=PAGE)
GATEWAY = "http://127.0.0.1:17223"
MAC = 'pip/24.0 {"python":"3.9","system":{"name":"Darwin"},"distro":{"version":'
AGENT = 'pip/24.0 {"python":"3.12.1","implementation":{"name":"CPython"},"system":{"name":"Linux"},'


@dataclass(frozen=True, slots=True)
class Row:
    """One reader of foreign text, and inputs that were made to be read more than once."""

    name: str
    read: Callable[[str], object]
    shapes: tuple[str, ...]
    """Each is ``what is repeated``, or ``before|what is repeated|after``."""
    most: int = MOST
    """Characters that reach it; what bounds them stands beside the row."""
    least: int = 250
    """Where it begins to be linear: what is shorter costs no more than that."""


def page(body: str) -> object:
    document = Document(PAGE, body.encode(), "text/html")
    return PYTHON.rewrite(document, "html", PLAN), list(PYTHON.artifacts(document, PLAN))


def listing(body: str) -> object:
    """A page in JSON, of which the text is one file, or the whole."""
    text = body if body.startswith("{") else json.dumps({"files": [json.loads(body)]})
    document = Document(PAGE, text.encode(), "application/vnd.pypi.simple.v1+json")
    return PYTHON.rewrite(document, "json", PLAN), list(PYTHON.artifacts(document, PLAN))


def named(name: str) -> object:
    """A file name, as a page has it, through all that reads names."""
    url = f"https://files.example/packages/aa/bb/{'c' * 60}/{name}"
    body = json.dumps({"files": [{"filename": name, "url": url, "requires-python": name}]})
    document = Document(PAGE, body.encode(), "application/vnd.pypi.simple.v1+json")
    agent = AGENT + '"cpu":"x86_64"}'
    found = list(
        PYTHON.leads_to(PLAN, document, Request("GET", "/", headers={"user-agent": agent}))
    )
    return (
        found,
        listing(body),
        wheels.candidates_from("foo", [ListedFile(name)]),
        pytorch.version_of(name),
    )


def required(line: str) -> object:
    where = environment.read(AGENT + '"cpu":"x86_64"}')
    assert where is not None
    return list(read_ahead.required_projects(line, where))


def wanted(text: str) -> object:
    """What pip's user wrote, on a line or in a file."""
    program = started("pip", {"wanted.txt": text, "pyproject.toml": text, "x.py": text})
    lines = list(RequirementFiles(program).read("wanted.txt", constraint=False))
    for read in (projects.group, projects.script):
        with contextlib.suppress(ValueError, HeadraceError):
            read("x.py", program)
    return lines, projects.project_at(".", program)


def one_need(text: str) -> object:
    with contextlib.suppress(ValueError):
        return needs.need_of(text, {"extra": ""})
    return None


def selected(text: str) -> object:
    try:
        wanted = conditional.select_ranges({"range": text}, 1 << 40, "")
    except ValueError:
        return None
    return framing_of(wanted, "application/octet-stream", "boundary").length


def parts(body: str) -> object:
    parser = PartsParser("multipart/byteranges; boundary=b", 10**6)
    data = body.encode()
    try:
        return [list(parser.feed(data[at : at + 3])) for at in range(0, len(data), 3)]
    except ValueError:
        return None


def kind_of_parts(kind: str) -> object:
    try:
        return PartsParser(kind, 10)
    except ValueError:
        return None


def client(agent: str) -> object:
    where = environment.read(agent)
    return where and (environment.markers(where), environment.tag_ranks(where))


def shard(text: str) -> object:
    body = zstd(msgpack.packb({"packages": {text: {"depends": [text], "sha256": text}}}))
    return repodata.read_shard(body), repodata.names_needed(body)


def shards(text: str) -> object:
    table = {"info": {"base_url": text, "shards_base_url": text}, "shards": {text: b"x" * 32}}
    index = repodata.read_index(zstd(msgpack.packb(table)))
    return index.shard_url("https://h/noarch/x", text)


def flat(text: str) -> object:
    return list(
        repodata.flat_entries(text[at : at + 4096].encode() for at in range(0, len(text), 4096))
    )


ROWS = (
    Row(
        "URLs for display and for files",
        lambda text: (for_display(text), for_files(text), has_secret(text), split_credential(text)),
        (
            "https://h/|?key|",
            "https://h/|?key=|",
            "https://h/|&key|=x",
            "https://h/|/t/|",
            "https://h/|/t/x|",
            "https://|u:p@|h/",
            "https://h/?|token|",
            "https://h/?|%6b|=x",
            "https://h/?|%25|26key=x",
            "https://h/?|%25",
            "https://h/?|%3D|",
            "https://h/?|;key=|",
            "//h|#?|",
            "//h/|//a:b|",
            "https://h/|a:|",
            "https://h/|@|",
            "https://h/|=a:b@|",
            "//|[|:a",
        ),
    ),
    Row(
        "what a diff shows",
        hide_secrets,
        ("a", "a:", "://", "@", "http://|a|", "password", "token |\t|", "token=| |", "api-key:|'|"),
    ),
    Row(
        "a file that was changed since",
        lambda text: three_way.without(
            f"x\n{text}y\n".encode(), f"y\n{text}x\n".encode(), f"z\n{text}x\n{text}".encode()
        ),
        ("\n", "a\n", "a\nb\n"),
        least=32 << 10,
    ),
    Row(
        "challenges (WWW-Authenticate)",
        bearer.parse,
        (
            ",",
            ", ",
            ",Bearer ",
            "Bearer |a=b,|",
            "Bearer |a=|",
            'Bearer realm="|\\"|',
            'Bearer realm="|a|',
            "Bearer |a |=",
            "Bearer a=b| |x",
            'Bearer realm="http://|[|"',
        ),
    ),
    Row(
        "Retry-After",
        lambda text: judge_status(429, {"retry-after": text}, "https://h/"),
        ("9", " ", "Mon, |0 |", "a ", "-", ":", "Mon, 01 Jan 2024 |0:|", "(|", "+1"),
    ),
    Row(
        "an answer with several parts, in crumbs",
        parts,
        (
            "--b\r\n|x: y\r\n|",
            "|\r\n|",
            "|--b|",
            "--b\r\n|Content-Range: bytes 0-0/9\r\n|\r\n",
            "|--b\r\nContent-Range: bytes 0-0/9\r\n\r\nx\r\n|--b--",
            "--b\r\nContent-Range: bytes 0-999999/*\r\n\r\n|x|",
        ),
        least=4096,
    ),
    Row(
        "the kind of an answer with several parts",
        kind_of_parts,
        ("multipart/byteranges|;|", "multipart/byteranges; boundary=|b|", "|; boundary=|b"),
        least=4096,
    ),
    Row(
        "ranges",
        lambda text: (selected(text), ContentRange.parse(text)),
        (
            "bytes=|0-0,|",
            "bytes=|0-,|",
            "bytes=|-9,|x",
            "bytes=|,|0-0",
            "bytes=|, |0-0",
            "bytes=|7-8,5-6,3-4,0-9,|",
            "bytes=|9|-",
            "bytes=-|9|",
            "bytes| |=",
            "bytes =|\t|1-",
            "bytes |9|-1/2",
            "bytes| |1-1/1",
        ),
    ),
    Row(
        "headers about encoding, versions and lifetimes",
        lambda text: (
            conditional.accepts_gzip(text),
            conditional.matches(text, ['"a"']),
            caching.request_max_age({"cache-control": text}),
            caching.freshness_lifetime({"cache-control": text, "age": text}),
            passthrough_headers.stated_digest({"repr-digest": text}),
            passthrough_headers.about_caches({"age": text}),
            negotiation.preferred_form(Request("GET", "/", headers={"accept": text}, query=text)),
        ),
        (
            ",",
            " ",
            ", ",
            ";q=",
            "gzip|;q=|",
            "max-age=|9|",
            'W/"a",',
            ",|\t|sha-256=:",
            "a=&",
            "/;",
        ),
    ),
    Row(
        "request targets",
        lambda text: (
            request_head.read_target(text.encode()),
            PYTHON.plan(Request("GET", text)),
            channel_paths.parse(text),
            names.parse(text, text, ("docker.io",)),
        ),
        (
            "/",
            "/v2/|/manifests/|",
            "/v2/|a__|/manifests/x",
            "/v2/|a-|/blobs/x",
            "/index/|a|/simple/x",
            "/conda/|a.|/",
            "/conda/h/| |x",
            "/%",
            "/packages/aa/bb/|c|/x",
        ),
        most=request_head.MAX_TARGET,
    ),
    Row(
        "pages in HTML",
        page,
        (
            "<",
            "<a ",
            "<a/",
            "</",
            "</a ",
            "<!",
            "<?",
            "<!--",
            "<!--|-|",
            "<!---->",
            "<!--|--!|",
            "<![CDATA[",
            "<a x=",
            "<a x='",
            '<a x="',
            "<a |x= |>",
            "<a| |>",
            "<a |x |=>",
            "<a |x=y |>",
            "<div>",
            "<a href=x>|<b><i>|</a>",
            "&",
            "<a href='|&amp;|'>",
            "<a href='|&a|'>",
            "<a href='&#|9|;'>",
            "<script>",
            "<script></script>",
            "<script>|</script |",
            "<title></title>",
            "<plaintext>|<a>|",
            "<base href=|../|><a href=foo-1.zip>",
            "<a href=foo-1.0.zip>x</a>",
            "<a href=|../|foo-1.0.zip>",
            "<a href=foo-1.0.zip#|sha256=|>",
            "<a href=foo-1.0.zip#|&sha256=a|>",
            "<a href='|?|foo-1.0.zip'>",
            "<a href=https://h/|packages/|foo-1.0.zip>",
            f"<a href=https://h|/packages/aa/bb/{'c' * 60}|/foo-1.0.zip>",
            "<meta name=a content=b>",
            "<!--| |SERIAL 1-->",
            "<!--SERIAL|\t|1-->",
            "<!--SERIAL |9|-->",
        ),
    ),
    Row(
        "pages in JSON",
        listing,
        (
            '{"files":[],"a":|[|',
            '{"files":[|{},|{}]}',
            '{"files":[],"a":|1|}',
            '{"files":[],"a":"|\\u0041|"}',
            '{"files":[],"a":[|1e9,|1]}',
            '{"files":[],|"a":1,|"b":1}',
            '{"filename":"foo-1.zip","url":"|/..|"}',
            '{"filename":"foo-1.zip","url":"x#|&md5=a|"}',
            '{"filename":"foo-1.zip","url":"|%|"}',
            '{"filename":"foo-1.zip","url":"x","hashes":{|"a":"b",|"c":"d"}}',
        ),
    ),
    Row(
        "names of files",
        named,
        (
            "foo-1-py3-none-any|.any|.whl",
            "foo-1-|cp3.|py3-none-any.whl",
            "foo-1-|py3.|x-|n.|none-|any.|any.whl",
            "foo-|1.|0.tar.gz",
            "foo-|9|.tar.gz",
            "foo-1+|a.|b.tar.gz",
            "foo-|-|.tar.gz",
            "|_|-1.zip",
            "foo-1|.tar|.gz",
            "foo-1-|-|py3-none-any.whl",
        ),
    ),
    Row(
        "metadata",
        required,
        (
            "Requires-Dist: |a|",
            "Requires-Dist: a;| |",
            "Requires-Dist: a[|b,|",
            "Requires-Dist: a|(|",
            "Requires-Dist: a (|>=1,|)",
            "Requires-Dist: a; |(|",
            "Requires-Dist: a; |os_name=='a' or |os_name=='b'",
            "Requires-Dist: a; os_name=='|\\|'",
            "Requires-Dist: a @ |/|",
            "Requires-Dist: a>=|1.|0",
            "Requires-Dist: a==|9|",
            "Requires-Dist: a\n| b\n|",
            "A: |b\n|",
            "Requires-Dist: a\n",
            "Requires-Dist: |a-_.|b",
        ),
    ),
    Row(
        "user agents",
        client,
        (
            "pip/1.1|x| {}",
            "pip/1.1 |{|}",
            "pip/|9|.1 {}",
            f'{AGENT}"a":|[|}}',
            f'{AGENT}"cpu":"|x|"}}',
            'pip/24.0 {"python":"3.|9|"}',
        ),
    ),
    Row(
        "numbers in user agents",
        lambda text: client(text.replace("N", str(10 ** min(len(text) // 300, 15)))),
        (
            'pip/24.0 {"python":"3.N","system":{"name":"Linux"},"a":"| |"}',
            f'{AGENT}"distro":{{"libc":{{"lib":"glibc","version":"2.N"}}}},"a":"| |"}}',
            f'{MAC}"N.1"}},"a":"| |"}}',
            f'{MAC}"10.N"}},"a":"| |"}}',
        ),
        most=4096,
    ),
    Row(
        "repodata",
        flat,
        (
            "{|{|",
            '{"packages":{|"a":{},|"b":{}}}',
            '{"packages":{|"a":{"b":"}"},|"b":{}}}',
            '{"packages":{"a":{"b":"|}|"}}}',
            '{"packages":{"a|\\"|":{}}}',
            '{"packages":{"|a|',
            '{"|\\\\|',
            '{"a":[|1,|1]}',
            '{"a":|1|}',
            '{"a":1| |}',
            "{| |",
            '{"packages":|[|',
            '{"info":{"base_url":"|../|"}}',
            '{"packages":{|"a":1,|"b":1}}',
        ),
    ),
    Row("shards", shard, ("a", " ", "a ", "-", "_")),
    Row("indexes of shards", shards, ("../", "/", "a", "%", "?")),
    Row(
        "channels' base URLs",
        lambda text: conda.CondaEcosystem([])._learn("https://h/noarch/repodata.json", text),
        ("../", "/", "https://|h.|/", "%2f", "https://h/|/t/x|"),
    ),
    Row(
        "conditions of conda's packages",
        lambda text: (
            conda_versions.condition(text),
            conda_versions.condition(f"a {text}"),
            conda_versions.satisfies(text, text),
            conda_versions.satisfies("12.4", text),
            conda_versions.compare(text, f"{text}1"),
            conda_versions.Condition("a", build=text).met_by("1", text),
        ),
        (
            "1",
            ".",
            "1.",
            "a",
            "1a",
            "_",
            " ",
            "=",
            ",",
            "|",
            ">=1,",
            ">=1|x|",
            "*",
            "a*",
            "[",
            "a |=|",
        ),
    ),
    Row(
        "manifests",
        lambda text: list(manifests.descriptors(text.encode())),
        ('{"schemaVersion":2,"layers":|[|', '{"schemaVersion":2,"layers":[|{},|{}]}', "[", "1"),
    ),
    Row(
        "configurations of images",
        lambda text: preflight.read_facts(
            {"layers": []},
            json.dumps(
                {"config": {"Env": [f"NVIDIA_REQUIRE_CUDA={text}", f"CUDA_VERSION={text}"]}}
            ).encode(),
            text[:128],
            (),
        ),
        (
            "a",
            "cuda",
            "cuda ",
            "cuda>=",
            "cuda>=1,",
            ">",
            " ",
            "cuda |>|",
            "cuda>=|9|",
            "1.",
            "a| |>=1",
        ),
    ),
    Row(
        "requirements of images",
        lambda text: requirements.need_of({"NVIDIA_REQUIRE_X": text}, "latest"),
        ("a", "cuda", "cuda| |", "cuda>=|a|", "cuda>=|1.|"),
    ),
    Row(
        "names of images",
        read_name,
        ("a", ".", "a.", ":", "a/", "a:|a|", "a@", ".|/|", "a|-|:"),
    ),
    Row(
        "proxies",
        lambda text: Proxies({"HTTPS_PROXY": "http://p:1", "NO_PROXY": text}).choose("https://h/"),
        (",", " ", ":", "[", "1.", "a:|9|", "/", "h/|9|"),
    ),
    Row(
        "JSON", read_json, ("[", '{"a":', '"|\\|', "1", "-", "[1,", '"|\\ud800|"', "[|1e5,|1]", " ")
    ),
    Row(
        "TOML",
        lambda text: read_toml(text.encode(), FILE),
        (
            "a=|[|",
            "a=|{b=|",
            "|a.|b=1",
            "[|a.|b]",
            "[[a]]\n",
            "a='|'|",
            'a="""|\\\n|"""',
            'a="|\\|',
            "#",
            "\n",
            " ",
            "a=|1|",
            "a=|1_|1",
            "a=[|1,|]",
            "a=|[[|",
        ),
        most=32 << 10,
    ),
    Row(
        "a key set in TOML",
        lambda text: toml_text.set_key(text.encode(), ("pip", "index-url"), GATEWAY, FILE),
        ("[[a]]\n", "#\n", "a=[|1,|]", "[a]\n|\n|", "a='''|\n|'''", "a=|{b=|1", "|a.|b=1"),
        most=32 << 10,
    ),
    Row(
        "pip's configuration",
        lambda text: pip_text.routed(text.encode(), GATEWAY, None, FILE),
        (
            "[",
            "[a]\n",
            "[a]\nb|b|",
            "[a]\nb| |b",
            "[a]\nb| |=",
            "[a]\nb=|=|",
            "[a]\nb=c\n| d\n|",
            "[a]\n|b\n|",
            "#\n",
            "\n",
            "[global]\nindex-url=|a |",
            "[global]\nindex-url=a\n| b\n|",
        ),
    ),
    Row(
        "lines of pip's configuration",
        lambda text: (
            list(ini_lines.options(ini_lines.split(text))),
            ini_lines.strip_blocks(text.encode()),
        ),
        (
            "b| |b",
            "b=|=|",
            f"{ini_lines.BEGIN}\n",
            "a\n| b\n|",
            f"{ini_lines.KEPT} ",
        ),
    ),
    Row(
        "dockerd's configuration",
        lambda text: daemon_json.add(text.encode(), GATEWAY, FILE),
        (
            '{"a":|[|',
            '{|"a":1,|"b":1}',
            '{"registry-mirrors":[|"a",|"b"]}',
            "{| |}",
            '{"a":"|\\\\|"}',
        ),
    ),
    Row(
        "docker's configuration",
        lambda text: (
            docker_config.lead(text.encode(), "headrace", FILE),
            docker_config.find(docker_config.parse(text.encode(), FILE), "h"),
        ),
        (
            '{|"a":1,|"b":1}',
            '{"auths":{"h":{"auth":"|A|"}}}',
            '{"auths":{"|/|":{"auth":"YTph"}}}',
            "{| |}",
        ),
    ),
    Row(
        "hosts.toml",
        lambda text: (
            hosts_toml.leads_to(text.encode(), GATEWAY),
            hosts_toml.take_out(text.encode()),
        ),
        ("#\n", "[host.a]\n", "\n", f"# {toml_text.MARK}\n"),
        most=32 << 10,
    ),
    Row(
        "registries.conf",
        lambda text: registries_conf.tables([(FILE, text.encode())]),
        ("[[registry]]\n", "[[registry]]\nprefix='|a|'\n"),
        most=32 << 10,
    ),
    Row(
        "registries.yaml",
        lambda text: registries_yaml.add(text.encode(), ["docker.io"], GATEWAY, FILE),
        (
            "mirrors:\n|  a: {}\n|",
            "a: |[|",
            "- ",
            "? ",
            "#\n",
            "a: '|\n|'",
            "&a ",
            "mirrors:|\t|",
            "|{a: |",
            "!",
            "a: |b |",
        ),
        most=32 << 10,
    ),
    Row(
        "pip's requirement files",
        wanted,
        (
            "a\n",
            "#\n",
            "\\\n",
            "a\\\n",
            "a #",
            "a| |#",
            " ",
            "-",
            "- ",
            "a |-|",
            "a --hash=|a|",
            "--hash=a ",
            "'",
            "\\",
            "${A}",
            "${|A|",
            "a |${HOME}|",
            "-r wanted.txt\n",
            "# /// script\n",
            "[dependency-groups]\na=[|'a',|]",
        ),
    ),
    Row(
        "one requirement of pip's user",
        one_need,
        ("a[", "a[|a,|]", "a;", "a>", "a>=|1,>|", "./", "a @ ", "[", "]", " ", "(", "a;(|(|"),
    ),
    Row(
        "what nvidia-smi says",
        lambda text: nvidia_smi._read(text, ["name", "driver_version", "memory.total"]),
        (",", '"', "a,550.54.15,1 MiB\n", "a,|5|,1 MiB", "a,|5.|,1 MiB"),
    ),
    Row(
        "what the child process says",
        lambda text: child_query._known("nvml", list(child_query._facts(text))),
        ("{}\n", "[", '{"gpu":{}}\n', '{"driver":"|5.|"}'),
    ),
)
CASES = [(row, shape) for row in ROWS for shape in row.shapes]


def made(shape: str, size: int) -> str:
    before, piece, after = shape.split("|", 2) if shape.count("|") >= 2 else ("", shape, "")
    return before + piece * max(1, size // len(piece)) + after


@pytest.mark.parametrize(
    ("row", "shape"), CASES, ids=[f"{row.name}: {s[:40]!r}" for row, s in CASES]
)
def test_four_times_the_input_costs_no_more_than_about_four_times(row: Row, shape: str) -> None:
    def call(size: int) -> Callable[[], object]:
        text = made(shape, size)
        return lambda: row.read(text)

    assert growth(call, row.most, row.least) < BOUND
