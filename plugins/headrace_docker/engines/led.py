"""By which way the commands of container engines are led. Pure."""

from __future__ import annotations

from headrace.interface import LedBy, LedTool

__all__ = ["every"]

#: With these they show no bars of their own at a terminal; what `run` starts may draw on all of it.
_QUIET = tuple(
    f"{command} {option}"
    for command in ("pull", "image pull", "build", "bud", "copy")
    for option in ("-q", "--quiet")
)
_PROGRAMS = ("docker", "podman", "buildah", "skopeo", "nerdctl", "ctr", "buildctl", "crictl", "k3s")


def every() -> list[LedTool]:
    """Return them all. podman and buildah hand the variables of a proxy on to their containers,
    where its address leads nowhere.
    """
    return [LedTool(name, (name,), {"": LedBy.SETTINGS}, silent=_QUIET) for name in _PROGRAMS]
