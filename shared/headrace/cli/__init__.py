"""The command ``headrace``. What nobody can wait for is answered before anything is imported."""

from __future__ import annotations

import sys

from headrace import __version__

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if argv is None else argv
    # Python has None in the place of a stream that is closed.
    if None in (sys.stdin, sys.stdout, sys.stderr):
        _open_closed_streams()
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


def _open_closed_streams() -> None:
    """Let a stream that is closed lead nowhere. Else the next file that is opened takes its number,
    and is written to by whoever believes it to be the stream.
    """
    import os  # noqa: PLC0415 - start-up time

    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - by number, for good
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
