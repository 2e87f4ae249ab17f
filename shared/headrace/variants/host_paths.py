"""What the environment says of the host to choose builds for, as the beginning of a path. Pure.

One gateway answers commands that were started with different variables. Pages that depend on them
have URLs of their own below ``/for/<code>/``, so that clients' caches keep them apart too, and the
gateway's port is the same for all. Where nothing is said there is no such beginning.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from headrace.config import EnvVars

__all__ = ["OVERRIDES", "PREFIX", "VARIABLES", "base_of", "environment_for", "split"]

PREFIX = "/for/"
#: Environment variables that say which build or which host, first come, first served. The last is
#: that of another tool which decides the same question. What single facts of a host the environment
#: replaces (a driver, a capability) is for detection to know.
VARIABLES = (EnvVars.HEADRACE_CUDA, EnvVars.HEADRACE_TARGET, EnvVars.UV_TORCH_BACKEND)
#: Variables that replace what was found of a host, or decide for it.
OVERRIDES = (
    *VARIABLES,
    EnvVars.NV_VARIANT_PROVIDER_FORCE_CUDA_DRIVER_VERSION,
    EnvVars.NV_VARIANT_PROVIDER_FORCE_SM_ARCH,
    EnvVars.UV_CUDA_DRIVER_VERSION,
    EnvVars.UV_AMD_GPU_ARCHITECTURE,
    EnvVars.CONDA_OVERRIDE_CUDA,
    EnvVars.CONDA_OVERRIDE_CUDA_ARCH,
)
#: The one that says something when it is empty: there is no GPU.
_ALSO_EMPTY = EnvVars.CONDA_OVERRIDE_CUDA
#: Characters of a value, and of a code. A longer value says nothing that is understood.
_LONGEST, _LONGEST_CODE = 200, 2000


def base_of(env: Mapping[str, str]) -> str:
    """Return ``/for/<code>`` for what an environment says; "" where it says nothing."""
    said = _said(env)
    if not said:
        return ""
    text = "\n".join(f"{name}={value}" for name, value in said.items())
    code = base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")
    return f"{PREFIX}{code}"


def split(path: str) -> tuple[str, str] | None:
    """Split a path into its beginning ("" for none) and the rest; None: the beginning is none that
    `base_of` gives, so that every host has one name only.
    """
    if not path.startswith(PREFIX):
        return "", path
    code, slash, rest = path.removeprefix(PREFIX).partition("/")
    base = f"{PREFIX}{code}"
    if not slash or rest.startswith(PREFIX.lstrip("/")) or base_of(_read(code)) != base:
        return None
    return base, f"/{rest}"


def environment_for(env: Mapping[str, str], base: str) -> Mapping[str, str]:
    """Return the environment that a path's beginning stands for: `env`, where it has none."""
    if not base:
        return env
    rest = {name: value for name, value in env.items() if name not in OVERRIDES}
    return rest | _read(base.removeprefix(PREFIX))


def _said(env: Mapping[str, str]) -> dict[str, str]:
    said = {}
    for name in OVERRIDES:
        value = env.get(name)
        if value is None or (not value.strip() and name != _ALSO_EMPTY):
            continue
        text = value.strip()
        if len(text) <= _LONGEST and text.isprintable():
            said[name] = text
    return said


def _read(code: str) -> dict[str, str]:
    """Return what a code says; nothing for what is no code."""
    if len(code) > _LONGEST_CODE:
        return {}
    try:
        padded = code.encode("ascii") + b"=" * (-len(code) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("utf-8")
    except ValueError:
        return {}
    pairs = (line.partition("=") for line in text.split("\n"))
    return {name: value for name, _, value in pairs if name in OVERRIDES}
