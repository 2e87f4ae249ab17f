"""The forms of all sentences that the code makes, read from the code: nothing is marked in it."""

from __future__ import annotations

import ast
import contextlib
import functools
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from headrace.cli.language.forms import core_of

ROOT = Path(__file__).resolve().parents[3]
CORE = ROOT / "shared" / "headrace"
PLUGINS = ROOT / "plugins"
#: What a person is told comes from here; the rest is for logs and programs.
READ = (
    *("cli", "errors.py", "wording.py", "setting_rules.py", "config.py", "foreign.py"),
    *("variants", "ownership/files.py", "sources/measuring.py", "documents/variant_pages.py"),
    *("policy/selection_reasons.py", "policy/source_conditions.py"),
    *(
        "interface/catalogue.py",
        "interface/editing",
        "interface/manager.py",
        "interface/activations.py",
    ),
    *("system/accelerators", "system/edits", "system/people.py", "system/service"),
    *("system/state.py", "system/state_files.py"),
    *("upstream/destinations.py", "upstream/error_mapping.py", "upstream/pinned.py"),
    *("upstream/proxies.py", "upstream/resolver.py", "upstream/responses.py", "upstream/tls.py"),
    *("gateway/activity.py", "gateway/builds", "gateway/telling"),
    *(f"gateway/intercepting/{name}.py" for name in ("beginning", "connects", "tunnels")),
)
#: The same of the plugins.
READ_OF_PLUGINS = (
    *("headrace_conda/builds", "headrace_conda/tools", "headrace_docker/builds"),
    *("headrace_docker/config_files", "headrace_docker/credentials/missing.py"),
    *("headrace_docker/engines", "headrace_docker/gpu", "headrace_pip/explaining"),
    *("headrace_docker/finding", "headrace_docker/keeping", "headrace_docker/leaks"),
    *("headrace_docker/naming", "headrace_docker/pulling", "headrace_docker/smoke"),
    *("headrace_docker/writing/slim/stages.py", "headrace_docker/writing/write.py"),
    "headrace_pip/tools",
)
#: What is in them is for programs, or for whoever writes the data that is shipped.
_NOT_READ = {
    *("variants/tables.py", "tools/bridge.py", "tools/led.py", "explaining/interpreter.py"),
    *("tools/rattler_paths.py", "tools/condarc.py", "finding/families.py", "pulling/commands.py"),
}
#: Calls whose words go elsewhere: into the log, into patterns, into what others are searched for.
_ELSEWHERE = re.compile(
    r"^(?:_log\.|re\.|logging\.|NotImplementedError|sys\.audit|AssertionError|heard$)"
)
#: Calls whose first word is what a line is about.
_ABOUT = ("Check", "Finding")
#: What a number is called in the code.
_NUMBERS = {"number", "rest", "hidden"}
LABEL = "label\x04"
_WORD = re.compile(r"[A-Za-z]{2,}")
#: What holds a space and is no sentence: commands, options, code, colours, patterns.
_NO_SENTENCE = re.compile(
    r"^(?:https?:|(?!--[a-z-]+(?:: | and --| (?:[^\s-]\S* ){3}))[-#/<>%$@=\\*^.}]"
    r"|\[(?![A-Z]+:)|import |from \w+(?:\.\w+)* import|\w+ = "
    r"|function |if (?:\[|\{|test|status)|for __|fi;|set -|unset _|command [\"$]|eval \""
    r"|functions\[|_headrace|export H"
    r"|case \$|text \{|rect \{|status is-int|grep -|cd |cat [~/{]|sh -c|ssh -|\( \{|u \{|GET |Host:"
    r"|(?:Accept|Allow|Location|Content-\w+|Cache-Control|Connection|Proxy-Auth\w+|Basic|CONNECT"
    r"|Authorization|HTTP/1\.1|Restrict\w+|Exec\w+|Description)[=: ]|\d\d\d [A-Z]|\{socket\}|\{\")"
    r"|\{\{json|__headrace|/dev/null|; then$|\\n|%\("
    # Steps of a Dockerfile; a command whose options are all that it has, or that another follows.
    r"|^(?:ADD|ARG|CMD|COPY|ENTRYPOINT|ENV|EXPOSE|FROM|HEALTHCHECK|LABEL|RUN|SHELL|USER|VOLUME"
    r"|WORKDIR) |^&& |^[\w-]+(?: -\S*)+$|^headrace [a-z]+ -- |^headrace-"
)


#: Words that stand alone, which nothing in the code tells from names; and argparse's own. A label
#: stands before a column, or at a line's beginning.
_LABELS = (
    *(
        "tool",
        "state",
        "by",
        "gateway",
        "origin",
        "builds",
        "trust",
        "lately",
        "now",
        "run",
        "typed",
    ),
    *("ok", "note", "warning", "failure", "next", "do first", "file", "files", "host", "out"),
    *("limit", "beside", "store", "settings", "containers", "leading", "came", "digest"),
    *("remove", "keep", "not checked", "wrong", "new", "same", "differs", "written"),
)
_WORDS = (
    *("routed", "overridden", "broken", "not routed", "not found", "yours", "here", "default"),
    *("environment", "client", "upstream", "interrupted", "examples", "commands", "options"),
    *("positional arguments", "used", "unused", "together", "origin", "none", "by", "off", "ahead"),
    *("behind", "uses", "unknown", "it", "public", "private"),
    *("moved", "failed", "not knowable", "empty"),
    "{n} s",
    # What a system says of a refusal, as far as people meet it here.
    *("Operation not permitted", "No such file or directory", "Input/output error"),
    *("Permission denied", "Device or resource busy", "File exists", "Not a directory"),
    *("Is a directory", "Too many open files", "No space left on device", "File name too long"),
    *("Read-only file system", "Broken pipe", "Too many levels of symbolic links"),
    *("Disk quota exceeded", "Address already in use", "Cannot assign requested address"),
    *("Network is unreachable", "Connection reset by peer", "Connection timed out"),
    *("Connection refused", "No route to host", "Stale file handle", "Cannot allocate memory"),
    *("Name or service not known", "Temporary failure in name resolution"),
    *("No address associated with hostname", "Directory not empty", "Text file busy"),
    "usage: {syntax}",
    "the following arguments are required: {arguments}",
    "unrecognized arguments: {arguments}",
    "argument {argument}: {message}",
    "invalid choice: {value} (choose from {choices})",
    "expected one argument",
    "expected at least one argument",
    "expected {n} arguments",
    "not allowed with argument {argument}",
    "ignored explicit argument {argument}",
    "ambiguous option: {option} could match {matches}",
    "one of the arguments {arguments} is required",
    "invalid {type} value: {value}",
)


@functools.cache
def messages() -> dict[str, str]:
    """Return the place in the code of each message, by its id; one with a context as gettext
    writes it.
    """
    found: dict[str, str] = {}
    read = [*(CORE / place for place in READ), *(PLUGINS / place for place in READ_OF_PLUGINS)]
    for path in read:
        for each in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if "/".join(each.parts[-2:]) in _NOT_READ:
                continue
            for key in of_code(each.read_text("utf-8")):
                found.setdefault(key, each.relative_to(ROOT).as_posix())
    labels = (f"{LABEL}{word}" for word in _LABELS)
    found |= dict.fromkeys((*labels, *_WORDS), "(words that stand alone)")
    examples = CORE / "data" / "examples.toml"
    for rows in tomllib.loads(examples.read_text("utf-8")).values():
        for _, what in rows:
            for key in _cores(what):
                found.setdefault(key, examples.relative_to(ROOT).as_posix())
    return found


def of_code(text: str) -> Iterator[str]:
    """Yield the id of each message of a module, in its order."""
    tree = ast.parse(text)
    passed = {id(node) for node in _no_messages(tree)}
    for node in _in_order(tree, passed):
        if isinstance(node, ast.JoinedStr):
            yield from _cores(_form(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _cores(node.value)
        elif isinstance(node, ast.FormattedValue) and _is_filled(node):
            yield from (f"{LABEL}{word}" for word in _words([node.value]) if _WORD.search(word))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in _ABOUT:
            yield from (f"{LABEL}{word}" for word in _words(node.args[:1]))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "counted":
            one, *many = _words(node.args[1:]) or [""]
            if one:
                yield from (f"{{n}} {one}", f"{{n}} {many[0] if many else f'{one}s'}")


def _words(nodes: Iterable[ast.AST]) -> list[str]:
    values = (each.value for each in nodes if isinstance(each, ast.Constant))
    return [value for value in values if isinstance(value, str)]


def _in_order(node: ast.AST, passed: set[int]) -> Iterator[ast.AST]:
    if id(node) in passed:
        return
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant):
            continue  # it is part of the form
        if isinstance(node, ast.FormattedValue) and child is node.format_spec:
            continue
        yield from _in_order(child, passed)


def _no_messages(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        # Docstrings, and those of attributes.
        if (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or (
            isinstance(node, ast.Call) and _ELSEWHERE.match(ast.unparse(node.func))
        ):
            yield node
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("'.split"):
            yield node  # a list of words
        elif isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
            yield node.left  # that is looked for
        elif isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            yield node.annotation
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "cast":
            yield node.args[0]


def _form(node: ast.JoinedStr) -> str:
    """Return a form with a name for each gap; gaps that touch each other are one."""
    told = ""
    names: list[str] = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            told += str(part.value)
        elif isinstance(part, ast.FormattedValue):
            if told.endswith("}"):
                # Nobody sees where the first ends, so that both are of no kind of their own.
                last = names.pop()
                told = told.removesuffix(f"{{{last}}}")
                names.append(_unique("value" if _is_of_kind(last) else last, names))
            else:
                names.append(_unique(_name(part), names))
            told += f"{{{names[-1]}}}"
            if _is_filled(part):
                told += "  "
    return told


def _is_filled(part: ast.FormattedValue) -> bool:
    """Whether what stands in a gap is filled up to a column."""
    return bool(part.format_spec and re.search("[<>]", ast.unparse(part.format_spec)))


def _name(part: ast.FormattedValue) -> str:
    """Name a gap by what stands in it; n is a number."""
    spec = ast.unparse(part.format_spec) if part.format_spec else ""
    value = part.value
    while isinstance(value, ast.Call):
        called = value.func.id if isinstance(value.func, ast.Name) else ""
        if called in ("len", "round"):
            return "n"
        if called in ("counted", "noun"):
            return called
        if called in ("bytes_text", "size_text"):
            return "bytes"
        value = value.args[0] if value.args else value.func
    name = ""
    if isinstance(value, ast.BinOp) and "len(" in ast.unparse(value):
        return "n"
    if isinstance(value, ast.Name):
        name = value.id
    elif isinstance(value, ast.Attribute):
        name = value.attr
    elif isinstance(value, ast.Subscript) and isinstance(value.slice, ast.Constant):
        name = re.sub(r"\W", "", str(value.slice.value))
        name = "" if name.isdigit() else name
    is_number = re.search(r"[0-9,.][fd]'?$", spec)
    return "n" if is_number or name in _NUMBERS else name.strip("_").lower() or "value"


def _is_of_kind(name: str) -> bool:
    return name.rstrip("0123456789") in ("n", "counted", "bytes", "sources")


def _unique(name: str, taken: list[str]) -> str:
    if name not in taken:
        return name
    return next(f"{name}{n}" for n in range(2, 100) if f"{name}{n}" not in taken)


def _is_program(text: str) -> bool:
    """Whether a text of several lines is one that another Python runs."""
    if "\n" not in text.strip():
        return False
    with contextlib.suppress(SyntaxError, ValueError):
        return bool(ast.parse(text))
    return False


def _cores(text: str) -> Iterator[str]:
    """Yield the sentences of a text: of each line, of each column."""
    if _is_program(text):
        return
    for line in text.splitlines():
        for cell in re.split(r" {2,}", line):
            core = core_of(cell)[1].strip()
            literal = re.sub(r"\{\w+\}", "{}", core)
            words = _WORD.findall(literal)
            if " " in literal.strip() and words and not _NO_SENTENCE.search(core):
                yield core
