"""``conda headrace``, the line in ``conda doctor``, and the hint under an error."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from headrace_conda_inside import settings
from headrace_conda_inside.waking import answers, warning

__all__ = ["health_check", "hints", "subcommand"]

_USAGE = "usage: conda headrace {status,doctor,explain} ...\n"


def subcommand(words: Any) -> int:
    """Hand the words to headrace; its exit code is ours."""
    command, words = settings.command(), [str(word) for word in words]
    if not words:
        sys.stdout.write(_USAGE)
        return 2
    if not command:
        sys.stderr.write(
            "headrace: it is not installed beside conda, and `headrace on` never ran\n"
        )
        return 1
    return subprocess.call([*command, *words])  # noqa: S603 - headrace's own command


def health_check(prefix: str, verbose: bool) -> None:  # noqa: FBT001 - conda's signature
    """Say whether conda's downloads go through the gateway."""
    del prefix
    gateway = settings.gateway()
    if gateway is None:
        text = "headrace: no gateway was set up; `headrace on` does"
    elif answers(gateway):
        text = f"headrace: the gateway answers at {gateway.url}"
    elif told := warning(gateway):
        text = f"{told}; `conda headrace doctor` says more"
    else:
        text = f"headrace: nobody answers at {gateway.url}; `conda headrace doctor` says more"
    sys.stdout.write(f"{text}\n")
    if verbose:
        from conda.base.context import context  # noqa: PLC0415 - conda's start-up time

        for entry in context.channel_settings:
            if entry.get("auth") == "headrace":
                sys.stdout.write(f"    {entry.get('channel')}\n")


def hints(error: Exception) -> Iterator[object]:
    """Say, where a download failed, how to see why and how to go without us."""
    from conda.exceptions import CondaHTTPError, ProxyError  # noqa: PLC0415 - as above
    from conda.plugins.types import CondaErrorHint  # noqa: PLC0415 - as above

    gateway = settings.gateway()
    if gateway is None or not isinstance(error, (CondaHTTPError, ProxyError)):
        return
    yield CondaErrorHint(
        text="Downloads go through headrace here: `conda headrace doctor` says whose fault it is; "
        "`headrace off` takes it out of the way.",
        hint_code="headrace_doctor",
    )
