"""``docker-credential-headrace``: wakes the gateway, then is the helper that was there before.

docker waits for it before every pull, so it imports little and waits for nobody. The helper from
before takes this process over with the same words, standard input, output and exit status. Where
there was none, the logins in docker's own file are told (docker-credential-helpers' protocol).
"""

from __future__ import annotations

import sys

__all__ = ["main"]

# ruff: noqa: PLC0415 - whoever becomes another program pays for nothing else


def main() -> None:
    """Be the console script."""
    import _socket  # what `socket` stands on: that would cost more than all the rest
    import errno
    import os
    import select

    from headrace_docker.credentials import record

    # pathlib, json and headrace.config would double the time that this takes.
    folder = os.environ.get("DOCKER_CONFIG")  # noqa: TID251
    folder = folder or os.path.join(os.path.expanduser("~"), ".docker")  # noqa: PTH111, PTH118
    try:
        helper, port = record.read(os.path.join(folder, "headrace-credential"))  # noqa: PTH118
    except Exception as error:  # noqa: BLE001 - somebody else's file: it says whose
        sys.stdout.write(f"{error}\n")
        raise SystemExit(1) from None
    # Whoever keeps the port starts the gateway for it; nobody waits for an answer. Nothing is said
    # either, so it does not matter here who that is.
    asking = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    asking.setblocking(False)
    asking.connect_ex(("127.0.0.1", port))
    select.select([], [asking], [], 0.2)
    refused = asking.getsockopt(_socket.SOL_SOCKET, _socket.SO_ERROR) == errno.ECONNREFUSED
    asking.close()
    if refused and os.name != "nt":
        from headrace_docker.credentials.waking import start_again

        start_again()
    if not helper:
        from headrace_docker.credentials.helper_protocol import answer

        raise SystemExit(answer(sys.argv[1:], folder, sys.stdin, sys.stdout))
    program = [f"docker-credential-{helper}", *sys.argv[1:]]
    try:
        if os.name == "nt":  # there, exec returns before the new program is done
            import subprocess

            raise SystemExit(subprocess.call(program))  # noqa: S603 - the user's own helper
        os.execvp(program[0], program)  # noqa: S606 - as above
    except OSError as error:
        sys.stdout.write(f"headrace passes on to {program[0]}, which does not start: {error}\n")
        raise SystemExit(1) from None
