"""The images that YAML names: compose files, Kubernetes' manifests, kustomizations, workflows and
jobs of GitHub and GitLab.

Only the nodes of the text are made, nothing is constructed of them: a tag means nothing here, and
an alias is the node that it stands for, looked at once. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Any

from headrace.interface import foreign
from headrace_docker.naming import dockerfiles
from headrace_docker.naming.named import NamedAt, NamedImage, named, tag_beside
from headrace_docker.registry_api.image_names import read_name

__all__ = ["images"]

#: Characters of a file, and lists and mappings in flow style, which the library looks through again
#: for each that is open.
_LONGEST, _MOST_FLOWS = 1 << 20, 2000
_CONTAINERS = frozenset(("containers", "initContainers", "ephemeralContainers"))
_DOCKER, _IMAGE_CONTEXT = "docker://", "docker-image://"
#: A chart's own, and others that are laid over them.
_VALUES = re.compile(r"(?<![^-._])values[-._]")
_KUSTOMIZE = ("Kustomization", "Component")
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml")
_GITLAB = ("gitlab-ci.yml", "gitlab-ci.yaml")
_NOTHING = ("tag:yaml.org,2002:null", "!reset")
#: Mappings that are merged into one.
_MERGED = 16


@foreign("YAML")
def images(text: str, file: str, platform: Callable[[], str] | None = None) -> Iterator[NamedImage]:
    """Yield them; UnreadableError where it is no YAML, or too much of it. `platform`: as of
    `dockerfiles.images`.
    """
    return iter(list(_documents(text, file, platform)))


def _documents(text: str, file: str, platform: Callable[[], str] | None) -> Iterator[NamedImage]:
    if len(text) > _LONGEST or text.count("[") + text.count("{") > _MOST_FLOWS:
        raise ValueError("it is longer, or deeper, than what people write")
    from ruamel.yaml import YAML  # noqa: PLC0415 - other commands need not pay

    reader = _Reader(file, text.splitlines(), platform)
    for document in YAML(typ="safe", pure=True).compose_all(text):
        if _keys(document):
            yield from reader.document(document)


class _Reader:
    """Of one file."""

    def __init__(self, file: str, lines: list[str], platform: Callable[[], str] | None) -> None:
        self._file = file
        self._lines = lines
        self._platform = platform

    def document(self, node: Any) -> Iterator[NamedImage]:
        """Yield the images of one document, whatever it is."""
        keys = _keys(node)
        kind, name = _text(_get(node, "kind")), PurePosixPath(self._file).name
        if kind in _KUSTOMIZE or (name in _KUSTOMIZATIONS and not kind):
            yield from self._kustomization(node)
        elif "kind" in keys:
            yield from self._manifest(node)
        elif name.endswith(_GITLAB):
            yield from self._gitlab(node)
        elif "jobs" in keys:
            yield from self._workflow(node)
        elif "runs" in keys:
            yield from self._action(_get(node, "runs"))
        elif "images" in keys and "resources" in keys:
            yield from self._kustomization(node)
        elif _VALUES.search(name):
            yield from self._values(node)
        elif "services" in keys:
            yield from self._compose(node)

    # ------------------------------------------------------------------ each kind

    def _manifest(self, root: Any) -> Iterator[NamedImage]:
        """Containers stand somewhere below, in kinds of others' too; those have them in mappings of
        any name, where an image is only taken for one if it has a tag or a digest.
        """
        seen: set[int] = set()
        for key, value in _everything(root):
            if key in _CONTAINERS:
                for container in _items(value):
                    image = _get(container, "image")
                    seen.add(id(image))
                    yield from self._named(image)
            elif key == "image" and id(value) not in seen:
                found = read_name(_text(value))
                if found is not None and (found.tag or found.digest):
                    yield from self._named(value)
            elif key == "volumes":
                for volume in _items(value):
                    yield from self._named(_get(_get(volume, "image"), "reference"))

    def _kustomization(self, root: Any) -> Iterator[NamedImage]:
        for entry in _items(_get(root, "images")):
            name = _get(entry, "newName") or _get(entry, "name")
            tag, digest = _text(_get(entry, "newTag")), _get(entry, "digest")
            text = _text(name) + (f":{tag}" if tag else "")
            if digest is not None:
                yield self._at(f"{text}@{_text(digest)}", digest)
            elif tag:
                yield self._at(text, name)

    def _workflow(self, root: Any) -> Iterator[NamedImage]:
        for _, job in _pairs(_get(root, "jobs")):
            container = _get(job, "container")
            yield from self._named(_get(container, "image") or container)
            for _, service in _pairs(_get(job, "services")):
                yield from self._named(_get(service, "image"))
            yield from self._steps(job)

    def _action(self, runs: Any) -> Iterator[NamedImage]:
        """An action of one's own."""
        yield from self._behind_scheme(_get(runs, "image"))
        yield from self._steps(runs)

    def _steps(self, job: Any) -> Iterator[NamedImage]:
        for step in _items(_get(job, "steps")):
            yield from self._behind_scheme(_get(step, "uses"))

    def _behind_scheme(self, node: Any, scheme: str = _DOCKER) -> Iterator[NamedImage]:
        _, found, text = _text(node).partition(scheme)
        if found:
            yield self._at(dockerfiles.expanded(text, {}), node)

    def _gitlab(self, root: Any) -> Iterator[NamedImage]:
        """Of all jobs, of the default, and of the jobs one by one."""
        known = {key: _text(value) for key, value in _pairs(_get(root, "variables"))}
        jobs = (value for key, value in _pairs(root) if key != "variables")
        for job in (root, *jobs):
            image = _get(job, "image")
            services = [_get(each, "name") or each for each in _items(_get(job, "services"))]
            for node in (_get(image, "name") or image, *services):
                if _text(node):
                    yield self._at(dockerfiles.expanded(_text(node), known), node)

    def _compose(self, root: Any) -> Iterator[NamedImage]:
        for _, service in _pairs(_get(root, "services")):
            build = _get(service, "build")
            inline = _get(build, "dockerfile_inline")
            if inline is not None:
                above = inline.start_mark.line + (inline.style in ("|", ">"))
                yield from dockerfiles.images(inline.value, self._file, above, self._platform)
            for context in self._contexts(build):
                yield from self._behind_scheme(context, _IMAGE_CONTEXT)
            for volume in _items(_get(service, "volumes")):
                if _text(_get(volume, "type")) == "image":
                    yield from self._expanded(_get(volume, "source"))
            if build is None:  # else it is what it is called when it is made
                yield from self._expanded(_get(service, "image"), _get(service, "platform"))

    def _contexts(self, build: Any) -> Iterator[Any]:
        """Yield named contexts of a build: a mapping, or a list of ``NAME=VALUE``."""
        contexts = _get(build, "additional_contexts")
        yield from (value for _, value in _pairs(contexts))
        yield from _items(contexts)

    def _expanded(self, node: Any, platform: Any = None) -> Iterator[NamedImage]:
        if _text(node):
            wanted = dockerfiles.expanded(_text(platform), {})
            text = dockerfiles.expanded(_text(node), {})
            yield self._at(text, node, "" if "$" in wanted else wanted)

    def _values(self, root: Any) -> Iterator[NamedImage]:
        """Of a chart, as most write them: an image in one word, or in a mapping of its parts."""
        for key, value in _everything(root):
            repository = _text(_get(value, "repository"))
            tag, digest = _get(value, "tag"), _get(value, "digest")
            if repository and (_text(tag) or _text(digest)):
                registry = _text(_get(value, "registry"))
                text = f"{registry}/{repository}" if registry else repository
                text += f":{_text(tag)}" if _text(tag) else ""
                text += f"@{_text(digest)}" if _text(digest) else ""
                yield self._at(text, digest if _text(digest) else tag)
            elif key == "image":
                found = read_name(_text(value))
                if found is not None and (found.tag or found.digest):
                    yield from self._named(value)

    def _named(self, node: Any) -> Iterator[NamedImage]:
        if _text(node):
            yield self._at(_text(node), node)

    def _at(self, text: str, node: Any, platform: str = "") -> NamedImage:
        line = node.start_mark.line
        tag = tag_beside(text, self._lines, line)
        return named(text, NamedAt(self._file, line + 1), platform, tag)


# ------------------------------------------------------------------ nodes


def _pairs(node: Any) -> Iterator[tuple[str, Any]]:
    """Yield keys and values of a mapping, its own before those that are merged into it."""
    merged = []
    if getattr(node, "id", "") != "mapping":
        return
    for key, value in node.value:
        if key.value == "<<":
            merged += [value] if value.id == "mapping" else list(_items(value))
        elif isinstance(key.value, str):
            yield key.value, value
    for each in merged[:_MERGED]:
        for key, value in getattr(each, "value", ()):
            if isinstance(key.value, str):
                yield key.value, value


def _keys(node: Any) -> set[str]:
    return {key for key, _ in _pairs(node)}


def _get(node: Any, wanted: str) -> Any:
    return next((value for key, value in _pairs(node) if key == wanted), None)


def _items(node: Any) -> Iterable[Any]:
    return node.value if getattr(node, "id", "") == "sequence" else ()


def _text(node: Any) -> str:
    """Return a scalar's text; "" for what is none: also nothing, and what compose takes back."""
    if getattr(node, "id", "") != "scalar" or str(node.tag) in _NOTHING:
        return ""
    return str(node.value).strip()


def _everything(root: Any) -> Iterator[tuple[str, Any]]:
    """Yield each pair of each mapping, once."""
    seen: set[int] = set()
    left = [root]
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        pairs = list(_pairs(node))
        yield from pairs
        left += reversed([*(value for _, value in pairs), *_items(node)])
