"""Options and requirement files are read as pip itself reads them, the oldest and the newest."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from headrace.ownership.processes import Program
from headrace_pip.requested.command_line import known_options
from headrace_pip.requested.requirement_files import RequirementFiles
from lib.capabilities import lacks
from lib.clients import Pip

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason=lacks("system", "paths are read as Linux has them")
)
OPTIONS = """
import json
from pip._internal.commands import commands_dict, create_command
told = {}
for name in ("install", "download", "wheel", "lock", "index"):
    if name in commands_dict:
        for option in create_command(name).parser.option_list_all:
            for each in option._short_opts + option._long_opts:
                told[each] = option.takes_value()
print(json.dumps(told))
"""
LINES = """
import json, sys
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import parse_requirements
session = PipSession()
print(json.dumps([
    [
        [each.requirement, each.is_editable, each.constraint, "hashes" in (each.options or {})]
        for each in parse_requirements(path, session=session)
    ]
    for path in sys.argv[1:]
]))
"""
FILES = (
    "torch # newest\ntorch#no-comment\n  #all\n\t# all\n",
    "torch \\\n  >=2.15 \\\n\\\n  ,<3\nnumpy\\\n",
    "torch\\\n# a comment in between\n>=2\n",
    "torch\\ \nnumpy \\\\\nlast",
    "a\\\n  # not joined\\\nb",
    "-e ./project#egg=a\n--editable=git+https://a.test/b@c\n-e . --pre",
    "  torch >= 2 ; python_version > '3' and extra == \"a b\"  ",
    "torch --hash=sha256:aa --hash sha256:bb\nnumpy==1 --hash=sha512:cc",
    "--pre torch\n--no-index\n-f ./wheels -i https://a.test/simple\n--trusted-host a.test\n",
    "-c more/limits.txt\n-rmore/wanted.txt\n--requirement more/wanted.txt\n",
    "torch -f ./x\n'torch'\n\"torch\" -f 'a b'\ntorch @ https://a.test/t.whl#sha256=aa",
    "${KNOWN}\n${UNKNOWN}\n$KNOWN ${known}\nx${KNOWN}${KNOWN}y\n${EMPTY}z",
    "a\r\nb\rc\x0cd\x0be\u2028f\x85g",
    "./a/b.whl\n../c.tar.gz\n/d/e.zip\n.\nfile:///f/g.whl\n",
    "torch --config-settings=a=b\n--use-feature=fast-deps\n--only-binary=:all:\n--require-hashes",
)
CODED = (
    "\ufefftorch\n# \xe4\nnumpy".encode(),
    "torch\n# \u20ac\nnumpy".encode("utf-16"),
    b"# -*- coding: latin-1 -*-\ntorch # \xe4\n\xe4",
    b"\n#coding=cp1252\ntorch\x80",
    b"",
    b"\n \n\\\n",
)


def test_options_are_those_of_pip(pip: Pip) -> None:
    """Each of each command that asks an index, by each of its names, with the same need of a
    value.
    """
    told = json.loads(pip.environment.run(pip.environment.python, "-c", OPTIONS).ok().out)
    known = known_options()
    assert {name: known.get(name) for name in told} == told


def test_lines_of_requirement_files_are_those_of_pip(pip: Pip) -> None:
    home = pip.environment.home
    pip.environment.write("more/limits.txt", "torch<3\n-r wanted.txt\n-c others.txt")
    pip.environment.write("more/wanted.txt", "numpy\n-c ./others.txt")
    pip.environment.write("more/others.txt", "six>1 # not more")
    every = [*(text.encode() for text in FILES), *CODED]
    names = [f"{number}.txt" for number in range(len(every))]
    for name, content in zip(names, every, strict=True):
        (home / name).write_bytes(content)
    env = {"KNOWN": "torch>=2", "EMPTY": ""}
    command: tuple[str | Path, ...] = (pip.environment.python, "-c", LINES, *names)
    told = json.loads(pip.environment.run(*command, env=env).ok().out)
    variables = b"".join(f"\0{name}={value}".encode() for name, value in env.items())
    for name, content, lines in zip(names, every, told, strict=True):
        program = Program(("pip",), home, Path("/"), Path("/"), variables)
        files = RequirementFiles(program)
        found = [
            [each.text, each.editable, each.constraint, each.hashed]
            for each in files.read(name, constraint=False)
            if each.text
        ]
        assert (found, files.whole) == (lines, True), content
