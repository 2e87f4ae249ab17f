"""What names become where not every name is taken, and whose GPUs an image is for. Pure."""

from __future__ import annotations

import re
import unicodedata

from headrace_docker.writing.wishes import WrittenImage

__all__ = ["gpu_maker", "label", "local_name"]

#: RFC 1123, as Kubernetes and compose have it: the longest label of a host's name.
_LONGEST = 63
_OTHERS = re.compile(r"[^a-z0-9]+")
#: A name for what has none that could be said in letters and digits, and before one of digits: a
#: label may begin with one, a service of Kubernetes may not.
_UNNAMED, _NUMBERED = "work", "image-"
#: Where Intel's images are, and how the tags of theirs are spelt.
_INTEL = re.compile(r"(?:^|/)intel/|(?:^|[-_.])xpu(?=[-_.]|$)")


def label(name: str, end: str = "") -> str:
    """Return a folder's name as a label of RFC 1123 that begins with a letter: for images,
    services, projects, and all that Kubernetes names. `end` is kept, whatever is cut.
    """
    plain = unicodedata.normalize("NFKD", name).lower()
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    word = _OTHERS.sub("-", plain).strip("-")
    if not word[:1].isalpha():
        word = f"{_NUMBERED}{word}" if word else _UNNAMED
    return word[: _LONGEST - len(end)].rstrip("-") + end


def local_name(image: WrittenImage) -> str:
    """Return what the image is called on the machine where it is built."""
    return f"{label(image.name)}:local"


def gpu_maker(image: WrittenImage) -> str:
    """Return ``nvidia``, ``amd`` or ``intel``; empty where it is for a host without a GPU."""
    if not image.gpus:
        return ""
    if image.rocm:
        return "amd"
    if image.cuda is None and _INTEL.search(f"{image.repository}:{image.tag}"):
        return "intel"
    return "nvidia"
