"""``README.md`` of a written folder: five lines. Pure."""

from __future__ import annotations

from headrace_docker.writing.beside.naming import label
from headrace_docker.writing.wishes import PORTS, WORKSPACE, WrittenImage

__all__ = ["readme", "up"]

_PACKAGES = (
    "- Packages go into `requirements.txt`; editors find `.devcontainer`, a cluster takes "
    "`kubernetes.yaml`, once its image has a name there."
)


def readme(image: WrittenImage) -> str:
    """Write the file."""
    wishes = image.wishes
    ways = [
        *(
            ["Jupyter: the address with its token stands in what it says."]
            if wishes.jupyter
            else []
        ),
        *([_ssh(wishes.user)] if wishes.ssh else []),
        f"A shell: `{image.engine.name} compose exec {label(image.name)} bash`.",
    ]
    lines = [
        f"# {label(image.name)}: {_holds(image)}",
        (
            f"- `{up(image)}` builds it (again with `--build`) and starts it; `./workspace` is "
            f"`{WORKSPACE}` inside, and its files are yours."
        ),
        f"- {' '.join(ways)}",
        _PACKAGES,
        "- `secrets` and `.env` stay on this machine: neither git nor a build's context has them.",
    ]
    return "\n".join(lines) + "\n"


def up(image: WrittenImage) -> str:
    """Return the command that starts it."""
    # Without root, podman's users inside are others outside, but for one that is kept; as root it
    # refuses to keep one.
    podman = image.engine.name == "podman"
    kept = "USERNS=keep-id " if podman and image.engine.rootless else ""
    return f"{kept}{image.engine.name} compose up"


def _ssh(user: str) -> str:
    return (
        "SSH: your public key into `secrets/authorized_keys`, then "
        f"`ssh -p {PORTS['ssh']} {user}@127.0.0.1`."
    )


def _holds(image: WrittenImage) -> str:
    """Say what it is made from; what is not known is left out."""
    cuda = f"CUDA {image.cuda[0]}.{image.cuda[1]}" if image.cuda else ""
    rocm = f"ROCm {image.rocm}" if image.rocm else ""
    torch = f"torch {image.torch}" if image.torch else ""
    held = ", ".join(filter(None, (torch, cuda or rocm)))
    base = f"{image.repository}:{image.tag}"
    return f"{base} ({held})" if held else base
