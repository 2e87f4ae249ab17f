"""The command ``headrace``. What nobody can wait for is answered before anything is imported."""

from __future__ import annotations

import sys

from headrace import __version__

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    if words == ["--version"]:
        sys.stdout.write(f"headrace {__version__}\n")
        return 0
    if len(words) == 2 and set(words) == {"--version", "--json"}:
        from headrace.cli.help import installation  # noqa: PLC0415 - start-up time

        sys.stdout.write(installation.as_json())
        return 0
    if words[:1] == ["run"]:
        from headrace.cli.runs.kept import quick  # noqa: PLC0415 - start-up time

        code = quick.run(words[1:])
        if code is not None:
            return code
    from headrace.cli import command_line  # noqa: PLC0415 - start-up time

    return command_line.main(words)
