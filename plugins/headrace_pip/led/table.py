"""Every command of every tool: which is led through the proxy, which is or starts its user's own
program, and which fetches nothing.

Gone through command by command in the help of these: pip 26.3, uv 0.9.30 and 0.13.9 (and tried:
the options that it does not name there), poetry 2.5.1, pdm 2.29.4, hatch 1.18.2, pipenv 2026.10.3,
pip-tools 7.6; where the help leaves open what a command starts, in their source. A command that is
not named is led, because a tool's new commands fetch something more often than they run a program.
pdm is the exception: a word that it does not know is a script of its user's.
"""

from __future__ import annotations

from collections.abc import Iterable

from headrace.interface import LedBy, LedTool, Logins, Place, Reader
from headrace_pip.led import before
from headrace_pip.tools.lockers import PROGRAMS

__all__ = ["every"]

_UV_VALUES = (
    "--allow-insecure-host",
    "--cache-dir",
    "--color",
    "--config-file",
    "--directory",
    "--preview-features",
    "--project",
    "--python-fetch",
    "--python-preference",
)
#: With these tools show no bars of their own at a terminal.
_QUIET = ("-q", "--quiet")
_UV_SILENT = (*_QUIET, "--no-progress", "UV_NO_PROGRESS")
#: All that pdm knows and that may fetch: ``pdm start`` is ``pdm run start``.
_OF_PDM = """
    add build export fix import init install lock new outdated plugin publish py python remove
    search self show sync update use venv
""".split()  # noqa: SIM905 - one that can be read


def _offline(*commands: str) -> dict[str, LedBy]:
    """Say of these that they fetch nothing: what is asked at each prompt waits for no gateway."""
    return dict.fromkeys(commands, LedBy.OFFLINE)


def _logins(tool: str) -> Logins:
    """Look for a tool's logins when they are asked for: most commands are none that is led."""

    def of_tool(place: Place, read: Reader) -> Iterable[str]:
        from headrace_pip.led import logins  # noqa: PLC0415 - as said

        return logins.BY_TOOL[tool](place, read)

    return of_tool


def every() -> list[LedTool]:
    """Return them all."""
    return [
        LedTool(
            "pip",
            ("pip",),
            {"": LedBy.SETTINGS},
            modules=("pip",),
            logins=_logins("pip"),
            silent=(*_QUIET, "--progress-bar=off", "PIP_QUIET", "PIP_PROGRESS_BAR=off"),
        ),
        LedTool(
            "uv",
            ("uv",),
            {
                "": LedBy.PROXY,
                "run": LedBy.ALONE,
                "tool run": LedBy.ALONE,
                "pip": LedBy.SETTINGS,
                # It may write the index that it was led to into what it makes.
                "pip compile": LedBy.PROXY,
                **_offline("auth dir", "auth token", "cache", "generate-shell-completion", "help"),
                **_offline("pip check", "pip freeze", "pip show", "python dir", "python find"),
                **_offline("self version", "tool dir", "workspace dir", "workspace list"),
            },
            modules=("uv",),
            values=_UV_VALUES,
            before=before.of_uv,
            logins=_logins("uv"),
            silent=_UV_SILENT,
        ),
        LedTool(
            "uvx",
            ("uvx",),
            {"": LedBy.ALONE},
            values=_UV_VALUES,
            before=before.of_uv,
            silent=_UV_SILENT,
        ),
        LedTool(
            "poetry",
            ("poetry",),
            {
                "": LedBy.PROXY,
                "run": LedBy.ALONE,
                "shell": LedBy.ALONE,
                **_offline("about", "cache", "check", "completions", "config", "debug info"),
                **_offline("debug tags", "env", "help", "list", "new", "source", "version"),
            },
            modules=("poetry",),
            values=("-C", "--directory", "-P", "--project"),
            logins=_logins("poetry"),
            silent=_QUIET,
        ),
        LedTool(
            "pdm",
            ("pdm",),
            {
                **dict.fromkeys(("", "run"), LedBy.ALONE),
                **dict.fromkeys(_OF_PDM, LedBy.PROXY),
                **_offline("cache", "completion", "config", "info", "list", "py find", "py list"),
                **_offline("python find", "python list", "venv activate", "venv list"),
            },
            modules=("pdm",),
            values=("-c", "--config"),
            authorities=("PDM_CA_CERTS",),
            logins=_logins("pdm"),
            silent=_QUIET,
        ),
        LedTool(
            "hatch",
            ("hatch",),
            {
                "": LedBy.PROXY,
                **dict.fromkeys(("env run", "run", "shell", "test"), LedBy.ALONE),
                **_offline("clean", "config", "env find", "env prune", "env remove", "env show"),
                **_offline("new", "python find", "python remove", "python show", "status"),
            },
            modules=("hatch",),
            values=before.HATCH_VALUES,
            before=before.of_hatch,
        ),
        LedTool(
            "pipenv",
            ("pipenv",),
            {
                "": LedBy.PROXY,
                # `open` starts an editor.
                **dict.fromkeys(("open", "run", "shell"), LedBy.ALONE),
                **_offline("activate", "graph", "remove", "requirements", "scripts", "verify"),
            },
            modules=("pipenv",),
            values=("--python", "--pypi-mirror"),
            logins=_logins("pipenv"),
            tells=("--envs", "--man", "--py", "--rm", "--support", "--venv", "--where"),
        ),
        LedTool(
            "pip-tools",
            tuple(name for name in PROGRAMS if name != "pipenv"),
            # What `pip-sync` has pip install, it writes nowhere.
            {"": LedBy.PROXY, "sync": LedBy.SETTINGS},
            modules=("piptools", "pipcompilemulti", "pip_deepfreeze"),
        ),
        LedTool("pip-sync", ("pip-sync",), {"": LedBy.SETTINGS}),
        # What an interpreter runs is its user's; what of that is a module of a tool is found first.
        LedTool(
            "python",
            ("python", "pypy", "ipython"),
            {"": LedBy.SETTINGS},
            values=("-W", "-X"),
            runs_modules=True,
        ),
    ]
