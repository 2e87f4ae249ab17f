"""By which way the commands of conda's tools are led. Pure.

Looked at: the help of conda 26.7.1, which has its own settings; and where the public source of
micromamba 2, pixi and rattler-build defines commands and options (of these the libraries alone were
run: py-rattler, py-rattler-build). mamba 2 is taken to have micromamba's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from headrace.interface import ConfigurationError, LedBy, LedTool, Logins, Place, Reader
from headrace_conda.tools import mirror_table
from headrace_conda.tools.mirror_table import table_at

__all__ = ["every"]

_RUNS = {"": LedBy.PROXY, "run": LedBy.ALONE, "shell": LedBy.ALONE}
#: What fetches nothing, as what a prompt asks.
_OFFLINE = (
    *("activate", "clean", "completer", "config", "deactivate", "env export", "env list"),
    *("env remove", "info", "list", "package", "ps"),
)
#: What only prints, or writes lines into a shell's files; `shell` by itself starts one.
_OF_SHELL = ("activate", "deactivate", "deinit", "hook", "init", "reactivate", "reinit")
_MAMBAS = {
    **_RUNS,
    **dict.fromkeys(_OFFLINE, LedBy.OFFLINE),
    **dict.fromkeys((f"shell {name}" for name in _OF_SHELL), LedBy.OFFLINE),
}
_VALUES = (
    *("-n", "--name", "-p", "--prefix", "-r", "--root-prefix", "--relocate-prefix"),
    *("--log-level", "--rc-file"),
)
#: With these they show no bars of their own at a terminal.
_QUIET = ("-q", "--quiet", "--json")
#: With their short forms; `exec` finds its environment by the program that it starts.
_RUNS_OF_PIXI = ("r", "run", "s", "shell")
_ALONE_IN_PIXI = (*_RUNS_OF_PIXI, "exec", "script run", "x")
_OFFLINE_OF_PIXI = ("clean", "completion", "config", "info", "task")
_VALUES_OF_PIXI = (
    *("--manifest-path", "-e", "--environment", "--auth-file", "--concurrent-downloads"),
    *("--concurrent-solves", "--pinning-strategy", "--pypi-keyring-provider", "--tls-root-certs"),
    *("--color", "-p", "--platform", "--change-ps1"),
)
#: Options that ``pixi install`` has too.
_KEPT_OF_PIXI = (*_VALUES_OF_PIXI[:9], "--frozen", "--locked", "--tls-no-verify")
#: With one of these nothing is installed, or for a script or a machine that `install` knows not.
_UNTOUCHED_BY_PIXI = (
    *("--as-is", "--no-install", "--no-lockfile-update", "--dry-run", "-n", "--script"),
    *("-p", "--platform", "-h", "--help"),
)


def _logins(tool: str) -> Logins:
    """Look for a tool's logins when they are asked for: most commands are none that is led."""

    def of_tool(place: Place, read: Reader) -> Iterable[str]:
        from headrace_conda.tools import logins  # noqa: PLC0415 - as said

        return logins.BY_TOOL[tool](place, read)

    return of_tool


def every() -> list[LedTool]:
    """Return them all."""
    return [
        LedTool(
            "conda",
            ("conda",),
            {"": LedBy.SETTINGS},
            modules=("conda",),
            logins=_logins("conda"),
            silent=(*_QUIET, "CONDA_QUIET", "CONDA_JSON"),
        ),
        LedTool(
            "mamba", ("mamba",), _MAMBAS, values=_VALUES, logins=_logins("mamba"), silent=_QUIET
        ),
        LedTool("micromamba", ("micromamba",), _MAMBAS, values=_VALUES, silent=_QUIET),
        LedTool(
            "pixi",
            ("pixi",),
            {
                "": LedBy.PROXY,
                **dict.fromkeys(_ALONE_IN_PIXI, LedBy.ALONE),
                **dict.fromkeys(_OFFLINE_OF_PIXI, LedBy.OFFLINE),
            },
            values=_VALUES_OF_PIXI,
            tells=("--list",),
            before=_of_pixi,
            logins=_logins("rattler"),
            silent=("-q", "--quiet", "--no-progress", "PIXI_NO_PROGRESS"),
        ),
        LedTool("rattler-build", ("rattler-build",), {"": LedBy.SETTINGS}),
    ]


def _of_pixi(words: Sequence[str], place: Place, read: Reader) -> Sequence[str] | None:
    """Return what installs the environment that ``pixi run`` and ``pixi shell`` need, and leaves
    the lock file alone where they would.
    """
    command, asked, options = _parsed(words)
    named = {name for name, _ in options}
    if command not in _RUNS_OF_PIXI or not named.isdisjoint(_UNTOUCHED_BY_PIXI):
        return None
    if command in ("r", "run") and (not asked or _is_elsewhere(asked, named, place, read)):
        return None
    kept = [word for name, own in options if name in _KEPT_OF_PIXI for word in own]
    return [words[0], "install", *kept]


def _parsed(words: Sequence[str]) -> tuple[str, str, list[tuple[str, Sequence[str]]]]:
    """Return the command, the first word behind it, and each option before that with its words."""
    said: list[str] = []
    options: list[tuple[str, Sequence[str]]] = []
    at = 1
    while at < len(words) and len(said) < 2:
        name, given, _ = words[at].partition("=")
        own = words[at : at + (2 if name in _VALUES_OF_PIXI and not given else 1)]
        if name.startswith("-"):
            options.append((name, own))
        else:
            said.append(words[at])
        at += len(own)
    command, asked = [*said, "", ""][:2]
    return command, asked, options


def _is_elsewhere(task: str, options: Collection[str], place: Place, read: Reader) -> bool:
    """Whether the environment of a task need not be the default one: pixi alone chooses among
    them where features of the project have such a task.
    """
    if not {"-e", "--environment"}.isdisjoint(options):
        return False
    if "--manifest-path" in options:
        return True
    here = place.working_directory
    for folder in (here, *here.parents):
        try:
            found = mirror_table.read_all([folder / "pixi.toml", folder / "pyproject.toml"], read)
        except ConfigurationError:
            # pixi itself will say so.
            return True
        for path, settings in found:
            root = settings if path.name == "pixi.toml" else table_at(settings, "tool", "pixi")
            if root:
                return any(task in table_at(each, "tasks") for each in _features(root))
    return False


def _features(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Give the features of a project, and what each is on a platform."""
    features = table_at(root, "feature")
    for name in features:
        yield (feature := table_at(features, name))
        targets = table_at(feature, "target")
        yield from (table_at(targets, platform) for platform in targets)
