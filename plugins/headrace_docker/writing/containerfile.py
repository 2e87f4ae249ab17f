"""The file that an engine builds the image from, and the list of what pip installs into it. Pure.

No heredoc and no mount: docker's builder from before BuildKit reads it, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from headrace_docker.writing.slim.stages import TAKEN_OUT, stages
from headrace_docker.writing.wishes import HOST_KEYS, PORTS, START, WORKSPACE, WrittenImage

__all__ = ["containerfile", "requirements", "start_program"]

#: What a base was built with, and what no dependency may replace: as pip's list names it.
_BUILT_IN = (
    "torch|torchvision|torchaudio|torchtext|torchao|triton|pytorch-triton.*|tensorflow.*|jax|jaxlib"
    "|jax-.*|vllm|xformers|flash.attn|flashinfer.*|transformer.engine.*|apex|nvidia-.*|cuda-.*"
    "|intel.extension.for.pytorch|onnxruntime-gpu|cupy.*"
)
_CONSTRAINTS = "/usr/local/share/constraints.txt"
_REQUIREMENTS = "/usr/local/share/requirements.txt"
#: A release that is whole, of a major that is known.
_JUPYTER = ("jupyterlab>=4,<5",)
_SCIENCE = (
    *("numpy", "scipy", "pandas", "matplotlib", "scikit-learn", "pillow", "tqdm"),
    "ipywidgets>=8,<9",
)


def containerfile(image: WrittenImage) -> str:
    """Return it: a base by its digest, then what was wished for."""
    return "\n\n".join("\n".join(block) for block in _blocks(image)) + "\n"


def _blocks(image: WrittenImage) -> Iterator[list[str]]:
    wishes = image.wishes
    if image.slim is None:
        yield _base(image)
    else:
        yield from stages(image, image.slim)
    yield ["USER 0"]
    yield list(_system(image))
    yield list(_python(image))
    yield list(_account(image))
    yield [
        "# `start` runs what is named here, without a command of your own behind the image's name;",
        "# START_LOGS=json writes one object a line, with ECS's names.",
        f'ENV START_SERVICES="{" ".join(_services(image))}" \\',
        *([f'    START_WRAPPER="{image.wrapper}" \\'] if image.wrapper else []),
        f'    START_LOGS="{wishes.logs}"',
        f"COPY start.py {START}",
        f"RUN chmod 0755 {START}",
    ]
    init = '"/usr/bin/tini", "--", ' if image.packages == "apt" else ""
    yield [
        "# By number: Kubernetes then sees that this is not root.",
        "USER ${USER_ID}:${GROUP_ID}",
        f"WORKDIR {WORKSPACE}",
        f'VOLUME ["{WORKSPACE}"{_more_volumes(image)}]',
        *_ports(image),
        "HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \\",
        f'    CMD ["{START}", "health"]',
        f'ENTRYPOINT [{init}"{START}"]',
        "CMD []",
    ]


def _base(image: WrittenImage) -> list[str]:
    return [
        f"# {image.repository}:{image.tag}, as it was when this was written",
        f"FROM {image.pinned}",
    ]


def _services(image: WrittenImage) -> list[str]:
    wishes = image.wishes
    return [name for name in PORTS if getattr(wishes, name)]


def _ports(image: WrittenImage) -> list[str]:
    ports = [str(PORTS[name]) for name in _services(image)]
    return [f"EXPOSE {' '.join(ports)}"] if ports else []


def _more_volumes(image: WrittenImage) -> str:
    return f', "{HOST_KEYS}"' if image.wishes.ssh else ""


# ------------------------------------------------------------------ packages of the system


def _system(image: WrittenImage) -> Iterator[str]:
    """Install an init, the SSH server, and a Python where the base has none."""
    if image.packages == "apt":
        yield from _apt(image)
    else:
        yield from _dnf(image)


def _apt(image: WrittenImage) -> Iterator[str]:
    names = ["ca-certificates", "tini"]
    if image.wishes.ssh:
        names += ["libnss-wrapper", "openssh-server"]
    install = "apt-get install --yes --no-install-recommends"
    yield "# tini hands signals on and collects what has ended. The base is pinned; of packages the"
    yield "# newest of its distribution are taken, with their fixes."
    yield "# hadolint ignore=DL3008"
    yield "RUN export DEBIAN_FRONTEND=noninteractive \\"
    yield " && apt-get update \\"
    yield f" && {install} {' '.join(names)} \\"
    yield " && { python3 -m pip --version \\"
    yield f"      || {install} python3 python3-pip; }} \\"
    if image.wishes.ssh:
        yield from _no_host_keys()
    yield " && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache \\"
    yield "      /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log"


def _dnf(image: WrittenImage) -> Iterator[str]:
    names = ["ca-certificates", "shadow-utils"]
    if image.wishes.ssh:
        names += ["openssh-clients", "openssh-server"]
    yield "# Red Hat's repositories have no init for containers: run it with --init."
    yield "# hadolint ignore=DL3041"
    yield f"RUN dnf install --assumeyes {' '.join(names)} \\"
    yield " && { python3 -m pip --version \\"
    yield "      || dnf install --assumeyes python3 python3-pip; } \\"
    if image.wishes.ssh:
        yield from _no_host_keys()
    yield " && dnf clean all"


def _no_host_keys() -> Iterator[str]:
    """Keys that the package made would be the same in every container of the image."""
    yield " && rm -f /etc/ssh/ssh_host_* \\"


# ------------------------------------------------------------------ Python's packages


def _python(image: WrittenImage) -> Iterator[str]:
    """Install what requirements.txt names, around what the base was built with."""
    slim = image.slim is not None
    yield "# What the base was built with stays: neither this nor a later `pip install` may put"
    yield "# another torch in its place."
    if slim:
        yield "# What was taken out comes in its own version, where something wants it."
    yield "RUN python3 -m pip list --format=freeze > /tmp/listed \\"
    yield " && { grep --ignore-case --extended-regexp \\"
    yield f'        "^({_BUILT_IN})==" \\'
    yield f"        /tmp/listed > {_CONSTRAINTS} || true; }} \\"
    if slim:
        yield f" && cat {TAKEN_OUT} >> {_CONSTRAINTS} \\"
    yield " && rm /tmp/listed"
    yield f'ENV PIP_CONSTRAINT="${{PIP_CONSTRAINT:+$PIP_CONSTRAINT }}{_CONSTRAINTS}" \\'
    yield "    PIP_BREAK_SYSTEM_PACKAGES=1 \\"
    yield "    PIP_DISABLE_PIP_VERSION_CHECK=1"
    yield f"COPY requirements.txt {_REQUIREMENTS}"
    yield "# An index of your own with a login: put"
    yield "# `--mount=type=secret,id=pip.conf,target=/etc/pip.conf` behind RUN (BuildKit, buildah,"
    yield "# podman), and build with `--secret id=pip.conf,src=$HOME/.config/pip/pip.conf`; compose"
    yield "# wants `secrets: [pip.conf]` below `build`, and `pip.conf: {file: …}` below `secrets`."
    if not slim:
        yield f"RUN python3 -m pip install --no-cache-dir --requirement {_REQUIREMENTS}"
        return
    yield f"RUN python3 -m pip install --no-cache-dir --no-compile --requirement {_REQUIREMENTS} \\"
    yield " || { for each in 'Was something to be compiled? Here are no compiler and no headers' \\"
    yield "      'of torch. Take a wheel; or install gcc above and delete the row of headers in' \\"
    yield "      'slim.toml.'; do echo \"$each\" >&2; done; exit 1; }"


def requirements(image: WrittenImage) -> str:
    """Return the list of what pip installs; it is the user's to change."""
    wishes = image.wishes
    lines = [
        "# Installed when the image is built; add what you need, pinned as you like. What the base",
        "# was built with (torch) is held. `pip freeze` in a container tells the versions.",
        *_of_slim(image),
        *(_JUPYTER if wishes.jupyter else ()),
        *(_SCIENCE if wishes.science else ()),
    ]
    return "\n".join(lines) + "\n"


def _of_slim(image: WrittenImage) -> Iterator[str]:
    """Say how what was taken out is got again; and where what goes with a build of torch's own
    index is: there its local version makes it the newest.
    """
    if image.slim is None:
        return
    yield "# slim.toml says what was taken out and what is lost; a part whose row is gone stays."
    yield "# torch.compile needs a compiler, too: apt-get install gcc (g++ for processors)."
    if image.slim.index:
        yield "# torchvision, torchaudio and others of this build of torch:"
        yield f"--extra-index-url {image.slim.index}"


# ------------------------------------------------------------------ the account


def _account(image: WrittenImage) -> Iterator[str]:
    """Make a user with the caller's numbers, also where the base has one of them or of its name."""
    wishes = image.wishes
    user, folders = wishes.user, [WORKSPACE]
    if wishes.ssh:
        folders.append(HOST_KEYS)
    yield "# Yours, so that files in the workspace are: --build-arg USER_ID=$(id -u)"
    yield f"ARG USER_ID={wishes.user_id}"
    yield f"ARG GROUP_ID={wishes.group_id}"
    yield "# The base may have an account of that number (Ubuntu has one) or of that name. No"
    yield "# password fits `*`; an account that is locked would keep keys out, too."
    yield 'RUN if [ "$USER_ID" -eq 0 ]; then echo "USER_ID is 0: root" >&2; exit 1; fi \\'
    yield f' && for each in "$USER_ID" {user}; do \\'
    yield '      if name=$(getent passwd "$each"); then userdel "${name%%:*}" || exit 1; fi; \\'
    yield "    done \\"
    yield ' && if ! getent group "$GROUP_ID"; then \\'
    yield f'      if getent group {user}; then groupmod --gid "$GROUP_ID" {user}; \\'
    yield f'      else groupadd --gid "$GROUP_ID" {user}; fi; \\'
    yield "    fi \\"
    yield ' && useradd --no-log-init --create-home --uid "$USER_ID" --gid "$GROUP_ID" \\'
    yield f"      --password '*' --shell \"$(command -v bash || echo /bin/sh)\" {user} \\"
    yield f' && install -d -o {user} -g "$GROUP_ID" {" ".join(folders)} \\'
    yield f" && chmod 1777 {WORKSPACE}"


# ------------------------------------------------------------------ what it starts with


def start_program(image: WrittenImage) -> str:
    """Return the program that a container begins with; its interpreter is the base's."""
    del image
    text = Path(__file__).parent.joinpath("inside", "start.py").read_text("utf-8")
    return f"#!/usr/bin/env -S python3 -I\n{text}"
