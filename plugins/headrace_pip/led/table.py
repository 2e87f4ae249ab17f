"""Every command of every tool: which is led through the proxy, and which is its user's own program.

What is named here was looked up in the tools' own help: pip 26.3, uv 0.6 to 0.13, poetry 2.5, pdm
2.29, hatch 1.18, pipenv 2026.10, pip-tools 7.6. A command that is not named is led: a tool's new
commands fetch something more often than they run a program.
"""

from __future__ import annotations

from headrace.interface import LedBy, LedTool
from headrace_pip.led import before
from headrace_pip.tools.lockers import PROGRAMS

__all__ = ["every"]

_UV_VALUES = (
    "--allow-insecure-host",
    "--cache-dir",
    "--color",
    "--config-file",
    "--directory",
    "--project",
)


def _offline(*commands: str) -> dict[str, LedBy]:
    """Say of these that they fetch nothing: what is asked at each prompt waits for no gateway."""
    return dict.fromkeys(commands, LedBy.OFFLINE)


def every() -> list[LedTool]:
    """Return them all."""
    return [
        LedTool("pip", ("pip",), {"": LedBy.SETTINGS}, modules=("pip",)),
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
                **_offline("cache", "generate-shell-completion", "help", "tool dir"),
                **_offline("pip check", "pip freeze", "pip show", "python dir", "python find"),
            },
            modules=("uv",),
            values=_UV_VALUES,
            before=before.of_uv,
        ),
        LedTool("uvx", ("uvx",), {"": LedBy.ALONE}, values=_UV_VALUES, before=before.of_uv),
        LedTool(
            "poetry",
            ("poetry",),
            {
                "": LedBy.PROXY,
                "run": LedBy.ALONE,
                "shell": LedBy.ALONE,
                **_offline("about", "check", "completions", "config", "env", "help", "list"),
                **_offline("version"),
            },
            modules=("poetry",),
            values=("-C", "--directory", "-P", "--project"),
        ),
        LedTool(
            "pdm",
            ("pdm",),
            {
                "": LedBy.PROXY,
                "run": LedBy.ALONE,
                **_offline("cache", "completion", "config", "info", "list", "show-settings"),
            },
            modules=("pdm",),
            values=("-c", "--config"),
            authorities=("PDM_CA_CERTS",),
        ),
        LedTool(
            "hatch",
            ("hatch",),
            {
                "": LedBy.PROXY,
                **dict.fromkeys(("run", "shell", "test"), LedBy.ALONE),
                **_offline("config", "status"),
            },
            modules=("hatch",),
            values=("-e", "--env", "-p", "--project", "--data-dir", "--cache-dir", "--config"),
            before=before.of_hatch,
        ),
        LedTool(
            "pipenv",
            ("pipenv",),
            {
                "": LedBy.PROXY,
                "run": LedBy.ALONE,
                "shell": LedBy.ALONE,
                **_offline("graph", "scripts"),
            },
            modules=("pipenv",),
            values=("--python", "--pypi-mirror"),
        ),
        LedTool(
            "pip-tools",
            tuple(name for name in PROGRAMS if name != "pipenv"),
            {"": LedBy.PROXY},
            modules=("piptools", "pipcompilemulti", "pip_deepfreeze"),
        ),
        # What an interpreter runs is its user's; what of that is a module of a tool is found first.
        LedTool("python", ("python", "pypy", "ipython"), {"": LedBy.SETTINGS}),
    ]
