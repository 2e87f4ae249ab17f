"""What some tests need of a machine. A test that lacks it skips with `lacks`; what to do about it
stands here once, and the end of a run lists what was not tried (`tests/conftest.py`).
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["NO_PIP", "WAYS", "capability_of", "lacks", "summary"]

#: Each capability, and how to have it.
WAYS = {
    "conda": "let pip reach its index, or have a base in ~/miniforge3 or in HEADRACE_TEST_CONDA",
    "root": "run as root on Linux where `unshare -m` works: not in a container; in a chroot if its "
    "root is a mount point (mount --bind FOLDER FOLDER, then chroot)",
    "engines": "install what README's second command names: docker.io, containerd, podman, skopeo",
    "engines of other ages": "tox -e contract-docker-all, as root, with debootstrap",
    "every version": "tox -e contract-pip, contract-uv, contract-conda or contract-docker",
    "index": "let `pip download pip` work in this environment: pip.conf, PIP_* or a proxy",
    "programs": "install what README's second command names",
    "neighbours": "apt-get install squid: one nightly test alone has a use for it",
    "packages": "run the tests by tox, or install pip and the group `test` beside headrace",
    "browser": "install chromium and chromium-driver, then tox -e browser",
    "checkout": "run the tests in a clone of the repository, with git installed",
    "IPv6": "give the machine's loopback the address ::1",
    "system": "run the tests on the other system too",
    "catalogue": "nothing to do: a test waits for the catalogue to have such an entry",
}


def lacks(capability: str, why: str) -> str:
    """Give the reason of a skip, for those who have to do something about it."""
    assert capability in WAYS, capability
    return f"{capability}: {why}"


NO_PIP = lacks("packages", "this interpreter has no pip to be asked")


def capability_of(reason: str) -> str | None:
    """Tell what a reason is about; None: it is not one of `lacks`."""
    name, colon, _ = reason.removeprefix("Skipped: ").partition(": ")
    return name if colon and name in WAYS else None


def summary(reasons: Iterable[str]) -> list[str]:
    """Say by capability what was not tried, why, and how to try it."""
    counted: dict[str, dict[str, int]] = {}
    for reason in reasons:
        said = reason.removeprefix("Skipped: ")
        why = counted.setdefault(capability_of(said) or "?", {})
        said = said.partition(": ")[2] or said
        why[said] = why.get(said, 0) + 1
    lines = []
    for name, found in sorted(counted.items()):
        count = sum(found.values())
        lines.append(f"{name} ({count} {'test' if count == 1 else 'tests'})")
        lines += [f"    {said} ({times})" for said, times in sorted(found.items())]
        if name in WAYS:
            lines.append(f"    -> {WAYS[name]}")
    return lines
