"""A program of its own: take the sockets that launchd holds, and become the holder with them.

Run by launchd as ``python -I -S launchd_sockets.py NAME holder.py [options] -- WORKER…``, NAME
being the key below ``Sockets`` in the property list (launch_activate_socket(3)). On darwin alone.
"""

from __future__ import annotations

import ctypes
import os
import sys

__all__ = ["main"]


def main() -> None:
    """Ask launchd for the descriptors and hand them on."""
    name, *words = sys.argv[1:]
    found, count = ctypes.POINTER(ctypes.c_int)(), ctypes.c_size_t()
    code = ctypes.CDLL(None).launch_activate_socket(
        name.encode(), ctypes.byref(found), ctypes.byref(count)
    )
    if code != 0:
        sys.exit(f"launchd gives no socket {name}: {os.strerror(code)}")
    descriptors = [found[index] for index in range(count.value)]
    for descriptor in descriptors:
        os.set_inheritable(descriptor, True)
    given = [word for fd in descriptors for word in ("--fd", str(fd))]
    argv = [sys.executable, "-I", "-S", words[0], *given, *words[1:]]
    os.execv(argv[0], argv)  # noqa: S606 - the holder beside this file


if __name__ == "__main__":
    main()
