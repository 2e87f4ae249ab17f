"""The arrows and the purity that ARCHITECTURE.md promises, read from the code's own imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lib.capabilities import lacks

ROOT = Path(__file__).resolve().parents[2]
CORE = ROOT / "shared" / "headrace"
PLUGINS = ROOT / "plugins"

#: An import may only point to a room with a smaller number, or stay in its own.
ROOMS = {
    "values": 0,
    "models": 1,
    "errors": 2,
    "foreign": 3,
    "redact": 3,
    "wording": 4,
    "http": 5,
    "ownership": 5,
    "setting_rules": 5,
    "serve_settings": 6,
    "fleet_settings": 6,
    "policy": 7,
    "transfer": 7,
    "config": 7,
    "data": 7,
    "variants": 8,
    "interface": 9,
    "upstream": 10,
    "system": 10,
    "download": 11,
    "sources": 11,
    "documents": 12,
    "artifacts": 13,
    "gateway": 14,
    "cli": 15,
}
#: Of the same room: files may import each other. policy and transfer do not know each other.
#: What plugins may see of the core; everything else is behind hooks.
OPEN_TO_PLUGINS = {"interface"}
#: What a pure file may import. Everything is pure but the files below.
PURE = {
    "__future__",
    "abc",
    "base64",
    "bisect",
    "bz2",
    "codecs",
    "collections",
    "configparser",
    "contextlib",
    "copy",
    "dataclasses",
    "datetime",
    "difflib",
    "email",
    "enum",
    "fnmatch",
    "functools",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "math",
    "msgpack",
    "operator",
    "optparse",  # over words in memory
    "packaging",
    "pathlib",
    "posixpath",
    "re",
    "reprlib",
    "shlex",
    "string",
    "sys",  # for its version
    "tomlkit",
    "tomllib",
    "types",
    "typing",
    "unicodedata",
    "urllib.parse",
    "xml",
    "zipfile",  # over bytes in memory
    "zlib",
    "pluggy",
    "ruamel",  # YAML from bytes
}
#: The files that may touch the world, each with the reason why.
IMPURE = {
    "shared/headrace/ownership/changes.py": "asks the system what a file is now",
    "shared/headrace/ownership/files.py": "asks the system who can write a file",
    "shared/headrace/ownership/listeners.py": "asks the system who listens on a port",
    "shared/headrace/ownership/processes.py": "asks the system which program has a socket",
    "shared/headrace/ownership/programs.py": "runs a program that the system brings",
    "shared/headrace/ownership/proving.py": "draws a nonce",
    "shared/headrace/ownership/sockets.py": "reads the kernel's tables of sockets",
    "shared/headrace/data/__init__.py": "reads the shipped data files",
    "shared/headrace/config.py": "the only reader of the environment and of the settings file",
    "shared/headrace/interface/__init__.py": "imports a public name when it is asked for",
    "shared/headrace/interface/entry_points.py": "reads what is installed",
    "shared/headrace/interface/manager.py": "loads entry points and logs",
    "shared/headrace/interface/catalogue.py": "reads the shipped data files",
    "shared/headrace/interface/clients.py": "reads the shipped data files",
    "shared/headrace/variants/tables.py": "reads the shipped data files",
    "shared/headrace/interface/editing/answers.py": "keeps what a program said",
    "shared/headrace/interface/editing/presence.py": "looks for tools on PATH",
    "shared/headrace/system": "files and processes",
    "shared/headrace/upstream": "connections to upstreams",
    "shared/headrace/download": "drives downloads, writes files",
    "shared/headrace/sources": "measures and remembers",
    "shared/headrace/documents": "fetches and keeps",
    "shared/headrace/artifacts": "fetches and keeps",
    "shared/headrace/gateway": "the server",
    "shared/headrace/cli": "the edge",
    "plugins/headrace_conda/plugin.py": "asks what kind of machine this is",
    "plugins/headrace_conda/tools/bases.py": "asks the condas of this machine",
    "plugins/headrace_conda/tools/bridge.py": "reads the plugin's own source",
    "plugins/headrace_conda_inside": "runs inside conda, with conda's own modules",
    "plugins/headrace_docker/builds/buildkit.py": "reads the Dockerfile that is built",
    "plugins/headrace_docker/builds/oci_runtime.py": "a program that becomes an OCI runtime",
    "plugins/headrace_docker/credential_helper.py": "entry file, becomes another program",
    "plugins/headrace_docker/credentials/helper_protocol.py": "reads docker's config.json",
    "plugins/headrace_docker/credentials/missing.py": "looks for docker's helpers on the PATH",
    "plugins/headrace_docker/credentials/waking.py": "starts a program of ours",
    "plugins/headrace_docker/credentials/record.py": "reads what `on` wrote beside that file",
    "plugins/headrace_docker/credentials/logins.py": "asks docker's and podman's stores of logins",
    "plugins/headrace_docker/engines/running.py": "asks the engines of this machine",
    "plugins/headrace_docker/gpu/container_toolkit.py": "asks this machine's container engines",
    "plugins/headrace_docker/pulling/programs.py": "runs the engines of this machine",
    "plugins/headrace_docker/smoke/inside.py": "runs inside a container, alone",
    "plugins/headrace_docker/writing/at_hand.py": "asks whether it runs as root",
    "plugins/headrace_docker/writing/inside/start.py": "a program that is copied into images",
    "plugins/headrace_docker/writing/slim/inside": "programs that run while images are built",
    "plugins/headrace_pip/at_start": "runs inside every Python below `run`",
    "plugins/headrace_pip/explaining/interpreter.py": "asks the interpreter of this machine",
    "plugins/headrace_pip/plugin.py": "entry file, imports inside its hooks",
    "plugins/headrace_pip/keyring_backend.py": "entry file, asks the recorded state",
    "plugins/headrace_pip/tools/origins.py": "asks pip for its default index",
    "plugins/headrace_pip/credentials/netrc_and_keyring.py": "asks netrc and keyring",
    "plugins/headrace_pip/credentials/keyring_child.py": "asks keyring, as a process of its own",
}


def python_files() -> Iterator[Path]:
    for folder in (CORE, *sorted(PLUGINS.glob("headrace_*"))):
        yield from sorted(folder.rglob("*.py"))


FILES = list(python_files())


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            module = node.module or ""
            yield node.lineno, module
            if module in ("headrace", "urllib", "xml"):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "headrace" and len(parts) > 1 and parts[1] in ROOMS else None


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_point_only_to_the_left(path: Path) -> None:
    wrong = []
    parts = path.relative_to(ROOT).with_suffix("").parts
    for line, module in imports(path):
        target = room_of(module)
        if target is None:
            if parts[0] == "shared" and module.split(".")[0].startswith("headrace_"):
                wrong.append(f"{relative(path)}:{line}: the core imports a plugin, {module}")
            continue
        if parts[0] == "plugins":
            if target not in OPEN_TO_PLUGINS:
                wrong.append(f"{relative(path)}:{line}: a plugin reaches past the hooks, {module}")
            continue
        here = parts[2] if len(parts) > 2 else "__init__"
        if here == "__init__":
            continue
        if here != target and ROOMS[target] >= ROOMS[here]:
            wrong.append(f"{relative(path)}:{line}: {here} may not import {target}")
    assert not wrong, "\n".join(wrong)


def is_impure(path: Path) -> bool:
    return any(relative(path) == name or relative(path).startswith(name + "/") for name in IMPURE)


@pytest.mark.parametrize("path", [p for p in FILES if not is_impure(p)], ids=relative)
def test_a_file_is_pure_until_someone_argues_otherwise(path: Path) -> None:
    wrong = []
    for line, module in imports(path):
        top = module.split(".")[0]
        if top in ("backports", "compression", "urllib", "xml"):
            allowed = module == top or any(
                module.startswith(name)
                for name in ("backports.zstd", "compression.zstd", "urllib.parse", "xml.")
            )
        else:
            allowed = top in PURE or top.startswith("headrace")
        if not allowed:
            wrong.append(f"{relative(path)}:{line}: {module} touches the world")
    assert not wrong, "\n".join(wrong)


def test_the_rooms_policy_and_transfer_do_not_know_each_other() -> None:
    for room, other in (("policy", "transfer"), ("transfer", "policy")):
        for path in (CORE / room).rglob("*.py"):
            assert all(room_of(module) != other for _, module in imports(path)), relative(path)


def test_the_http_client_stands_behind_one_file() -> None:
    users = {
        relative(p) for p in python_files() for _, m in imports(p) if m.split(".")[0] == "httpx"
    }
    assert users <= {"shared/headrace/upstream/transports.py"}


ASYNC = {"upstream", "download", "sources", "documents", "artifacts", "gateway"}


def test_async_code_lives_where_a_request_goes_and_nowhere_else() -> None:
    for path in python_files():
        parts = path.relative_to(ROOT).parts
        if parts[0] == "shared" and parts[2] in ASYNC:
            continue
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        found = [n.lineno for n in nodes if isinstance(n, ast.AsyncFunctionDef)]
        assert not found, f"{relative(path)}:{found}"


_TOOLS = re.compile(r"\b(?:pip|uv|conda|mamba|docker|podman|poetry|pdm)\b")


def _docstrings(tree: ast.Module) -> set[int]:
    """Ids of string nodes that are statements: docstrings and field descriptions."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def test_the_core_names_no_tool() -> None:
    wrong = []
    for path in CORE.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        prose = _docstrings(tree)
        wrong += [
            f"{relative(path)}:{node.lineno}: {node.value!r}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in prose
            and _TOOLS.search(node.value)
        ]
    assert not wrong, "\n".join(wrong)


def modules() -> dict[str, Path]:
    """Name every module of the core and the plugins as it is imported."""
    named = {}
    for path in FILES:
        parts = path.relative_to(ROOT).with_suffix("").parts[1:]
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def arrows() -> dict[str, set[str]]:
    """Say of every module which others it imports, at its top or inside its functions."""
    named = modules()
    found: dict[str, set[str]] = {}
    for name, path in named.items():
        targets = found[name] = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                targets.update(alias.name for alias in node.names if alias.name in named)
            elif isinstance(node, ast.ImportFrom) and node.module:
                inside = {f"{node.module}.{alias.name}" for alias in node.names}
                targets.update(inside & named.keys() or {node.module} & named.keys())
        targets.discard(name)
    return found


def test_no_imports_go_round_in_a_circle() -> None:
    """Also not where an import inside a function would hide it from Python."""
    left = arrows()
    while leaves := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in leaves:
            del left[name]
    # What is left is in a circle or leads to one; what nobody left points to only leads there.
    while roots := left.keys() - set().union(*left.values()):
        for name in roots:
            del left[name]
    assert not left, sorted(left)


#: Modules in one folder: more, and nobody finds a room at first sight.
FOLDER = 16


def test_a_folder_is_seen_at_a_glance() -> None:
    listed = [*FILES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    counted = Counter(path.parent for path in listed if path.name != "__init__.py")
    wrong = {relative(folder): count for folder, count in counted.items() if count > FOLDER}
    assert not wrong


def test_a_file_does_not_repeat_its_folders_name() -> None:
    assert not [relative(path) for path in FILES if path.stem == path.parent.name]


#: What a class may have. A value, all fields and no method of weight, may have more fields.
METHODS, ATTRIBUTES = 22, 18
#: Classes that may be larger, each with the reason why.
LARGE: dict[str, str] = {
    "Components": "the gateway's parts by name, handed down in one piece",
    "Transfer": "one handler for each event of the state machine",
}


def attributes_of(node: ast.ClassDef) -> set[str]:
    names = {
        item.target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    for item in ast.walk(node):
        if (
            isinstance(item, ast.Attribute)
            and isinstance(item.ctx, ast.Store)
            and isinstance(item.value, ast.Name)
            and item.value.id == "self"
        ):
            names.add(item.attr)
    return names


def test_a_class_is_one_concern() -> None:
    wrong, large = [], set()
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ClassDef):
                continue
            methods = sum(isinstance(i, ast.FunctionDef | ast.AsyncFunctionDef) for i in node.body)
            attributes = len(attributes_of(node))
            value = methods <= 5
            if methods <= METHODS and (value or attributes <= ATTRIBUTES):
                continue
            large.add(node.name)
            if node.name not in LARGE:
                wrong.append(
                    f"{relative(path)}: {node.name}: {methods} methods, {attributes} fields"
                )
    assert not wrong, "\n".join(wrong)
    assert large == LARGE.keys(), "a class on the list of large ones is small now"


def test_one_class_name_is_one_class() -> None:
    """So that a name read anywhere says which thing is meant."""
    found: dict[str, list[str]] = {}
    for path in FILES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(relative(path))
    assert not {name: places for name, places in found.items() if len(places) > 1}


def test_only_the_gateways_room_knows_a_clients_connection() -> None:
    for path in python_files():
        if relative(path).startswith("shared/headrace/gateway/"):
            continue
        tops = {module.split(".")[0] for _, module in imports(path)}
        assert not tops & {"starlette", "uvicorn", "httptools"}, relative(path)


def test_no_file_names_the_official_index() -> None:
    """Its address is asked of pip at run time, so that nothing here can go stale or astray."""
    ask = (
        "from pip._internal.models.index import PyPI;"
        "print(PyPI.netloc);print(PyPI.file_storage_domain)"
    )
    asked = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=False)
    if asked.returncode:
        pytest.skip(lacks("packages", "this interpreter has no pip to ask for the official index"))
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip(lacks("checkout", "git does not list these files"))
    hosts = asked.stdout.split()
    assert len(hosts) == 2
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        data = path.read_bytes()
        assert not any(host.encode() in data for host in hosts), name
