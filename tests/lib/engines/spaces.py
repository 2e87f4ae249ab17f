"""Namespaces of a test's own, and what a machine has against them."""

from __future__ import annotations

import functools
import subprocess

__all__ = ["NEW", "trouble"]

#: What `unshare` is told.
NEW = ("-n", "-m", "-p", "--fork", "--mount-proc", "--kill-child", "--propagation", "private")


@functools.cache
def trouble() -> str:
    """Say why there are none, as in a chroot whose root is no mount point; empty: there are."""
    try:
        words = ["unshare", *NEW, "true"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""
