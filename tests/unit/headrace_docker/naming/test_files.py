"""Which images files name, whatever kind of file they are."""

from __future__ import annotations

from functools import partial

import pytest

from headrace.foreign import UnreadableError
from headrace.interface import Host, ImageFile, NamedImages
from headrace_docker.naming.files import all_named, may_name_images, named_in

DIGEST = f"sha256:{'a1' * 32}"


def read(name: str, text: str) -> dict[str, int]:
    """Give each image with its line; what has a problem by its text."""
    found = named_in(ImageFile(name, text.encode()))
    return {each.whole: each.place.line for each in found if each.place}


def test_dockerfile_names_bases_with_their_arguments_and_what_is_copied_out_of() -> None:
    text = f"""\
# syntax=docker/dockerfile:1.10
ARG BASE=python
ARG FULL=${{BASE}}:${{V:-3.12}}-slim
FROM --platform=linux/arm64 nvcr.io/nvidia/cuda:13.0@{DIGEST} AS build
FROM "$FULL" as Two
FROM build
FROM scratch
FROM ${{UNKNOWN}}
FROM \\
  # which one
  fedora:43
COPY --from=two /a /b
COPY --from=0 /a /b
COPY --chown=1:1 --from=ghcr.io/astral-sh/uv:0.9 /uv /bin/
RUN --mount=type=bind,from=busybox:1,target=/x cat <<END
FROM no
END
ONBUILD COPY --from=never:1 / /
"""
    assert read("Dockerfile", text) == {
        "docker.io/docker/dockerfile:1.10": 1,
        f"nvcr.io/nvidia/cuda:13.0@{DIGEST}": 4,
        "docker.io/library/python:3.12-slim": 5,
        "${UNKNOWN}": 8,
        "docker.io/library/fedora:43": 9,
        "ghcr.io/astral-sh/uv:0.9": 14,
        "docker.io/library/busybox:1": 15,
    }
    first = named_in(ImageFile("x.Dockerfile", f"FROM --platform=linux/arm64 a@{DIGEST}".encode()))
    assert first[0].platform == "linux/arm64"


@pytest.mark.parametrize(
    "text",
    [
        f"# pytorch/pytorch:2.9-cuda12.6\nFROM docker.io/pytorch/pytorch@{DIGEST}\n",
        f"# The base: docker.io/pytorch/pytorch:2.9-cuda12.6.\n#\nFROM pytorch/pytorch@{DIGEST}\n",
    ],
)
def test_tag_of_a_digest_may_stand_in_the_comment_above(text: str) -> None:
    (image,) = named_in(ImageFile("Dockerfile", text.encode()))
    assert (image.tag, image.digest) == ("2.9-cuda12.6", DIGEST)


def test_comment_about_another_image_or_behind_a_blank_line_tells_no_tag() -> None:
    for text in (
        f"# other/pytorch:2.9\nFROM pytorch/pytorch@{DIGEST}\n",
        f"# pytorch/pytorch:2.9\n\nFROM pytorch/pytorch@{DIGEST}\n",
        f"# pytorch/pytorch\nFROM pytorch/pytorch@{DIGEST}\n",
    ):
        (image,) = named_in(ImageFile("Dockerfile", text.encode()))
        assert image.tag == "", text


def test_compose_file_names_what_is_pulled_and_not_what_is_built() -> None:
    text = f"""\
x-base: &base {{image: "redis:7"}}
services:
  cache: {{<<: *base, restart: always}}
  data:
    image: postgres@{DIGEST} # 16.4
    platform: linux/arm64
  made: {{build: ., image: mine:1}}
  web: {{image: "${{HUB:-docker.io}}/library/nginx:${{TAG-1.29}}"}}
  inline:
    build:
      dockerfile_inline: |
        FROM alpine:3.22
"""
    assert read("compose.yaml", text) == {
        "docker.io/library/redis:7": 1,
        f"docker.io/library/postgres:16.4@{DIGEST}": 5,
        "docker.io/library/nginx:1.29": 8,
        "docker.io/library/alpine:3.22": 12,
    }


def test_manifests_of_every_kind_name_their_containers() -> None:
    text = f"""\
apiVersion: v1
kind: List
items:
  - kind: CronJob
    spec: {{jobTemplate: {{spec: {{template: {{spec: {{initContainers: [{{image: a:1}}]}}}}}}}}}}
  - kind: Anything
    spec:
      containers:
        - image: nvcr.io/x/y:1@{DIGEST}
      volumes: [{{image: {{reference: "quay.io/m/n:2"}}}}]
---
kind: Kustomization
images:
  - {{name: nginx, newName: mine.example/nginx, newTag: "1.2", digest: "{DIGEST}"}}
  - {{name: busybox, newTag: "1"}}
---
- no mapping
"""
    assert read("all.yml", text) == {
        "docker.io/library/a:1": 5,
        f"nvcr.io/x/y:1@{DIGEST}": 9,
        "quay.io/m/n:2": 10,
        f"mine.example/nginx:1.2@{DIGEST}": 14,
        "docker.io/library/busybox:1": 15,
    }


def test_workflows_and_dev_containers_name_theirs() -> None:
    text = """\
on: push
jobs:
  test:
    container: node:20
    services: {db: {image: 'postgres:16'}}
    steps: [{uses: 'docker://alpine:3'}, {uses: actions/checkout@v4}]
  other: {container: {image: '${{ matrix.image }}'}}
"""
    assert read(".github/workflows/test.yml", text) == {
        "docker.io/library/node:20": 4,
        "docker.io/library/postgres:16": 5,
        "docker.io/library/alpine:3": 6,
        "${{ matrix.image }}": 7,
    }
    text = '{ // "image": "no:1"\n  "image": "mcr.microsoft.com/x/y:1", /* , */ "u": "http://x",\n}'
    assert read(".devcontainer/devcontainer.json", text) == {"mcr.microsoft.com/x/y:1": 2}


def test_parser_directives_stand_in_any_order_and_one_arg_may_have_several() -> None:
    text = """\
# escape=`
# Syntax = docker/dockerfile:1.12 # newest
ARG A="alpine" B='3.22' C
FROM `
  $A:${B}
FROM ${C:-busybox:1}
"""
    assert read("Dockerfile", text) == {
        "docker.io/docker/dockerfile:1.12": 2,
        "docker.io/library/alpine:3.22": 4,
        "docker.io/library/busybox:1": 6,
    }


def test_kinds_of_others_name_images_under_names_of_their_own() -> None:
    text = f"""\
kind: Workflow
spec:
  templates:
    - container: {{image: "pytorch/pytorch:2.9"}}
    - script: {{image: "python@{DIGEST}"}}
  image: ubuntu
---
kind: Component
images: [{{name: nginx, newTag: "1"}}]
"""
    assert read("argo.yaml", text) == {
        "docker.io/pytorch/pytorch:2.9": 4,
        f"docker.io/library/python@{DIGEST}": 5,
        "docker.io/library/nginx:1": 9,
    }
    found = read("base/kustomization.yaml", "images: [{name: nginx, newTag: '1'}]")
    assert found == {"docker.io/library/nginx:1": 1}


def test_gitlab_names_images_of_all_jobs_and_of_each() -> None:
    text = """\
variables: {TAG: "3.12", image: "no:1"}
image: {name: "python:${TAG}", entrypoint: [""]}
default: {services: ["postgres:16", {name: "redis:7", alias: r}]}
test: {script: [true], image: "$UNKNOWN/x:1"}
"""
    assert read(".gitlab-ci.yml", text) == {
        "docker.io/library/python:3.12": 2,
        "docker.io/library/postgres:16": 3,
        "docker.io/library/redis:7": 3,
        "$UNKNOWN/x:1": 4,
    }


def test_actions_of_ones_own_name_theirs() -> None:
    text = "runs: {using: docker, image: 'docker://alpine:3', steps: [{uses: 'docker://b:1'}]}"
    assert read("action.yml", text) == {"docker.io/library/alpine:3": 1, "docker.io/library/b:1": 1}
    assert read("action.yml", "runs: {using: docker, image: Dockerfile}") == {}


def test_what_cannot_be_read_is_told_and_the_others_are_read() -> None:
    files = (
        ImageFile("a.yaml", b"a: [b"),
        ImageFile("devcontainer.json", b"{"),
        ImageFile("deep.yaml", b"a: " + b"[" * 3000),
        ImageFile("Dockerfile", b"FROM alpine\n"),
    )
    found = list(all_named(NamedImages(("UPPER",), files, Host, lambda *_: None)))
    assert [bool(each.problem) for each in found] == [True, True, True, True, False]
    with pytest.raises(UnreadableError):
        named_in(files[0])


def test_alias_upon_alias_is_looked_at_once() -> None:
    lines = ["a0: &a0 {containers: [{image: 'x:1'}]}"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    text = "kind: Pod\n" + "\n".join(lines)
    assert read("pod.yaml", text) == {"docker.io/library/x:1": 2}


@pytest.mark.parametrize(
    ("name", "may"),
    [
        ("Dockerfile", True),
        ("Containerfile", True),
        ("gpu.Dockerfile", True),
        ("Dockerfile.gpu", True),
        ("compose.yaml", True),
        (".github/workflows/test.yml", True),
        (".devcontainer/devcontainer.json", True),
        (".devcontainer.json", True),
        (".devcontainer/gpu/devcontainer.json", True),
        (".devcontainer/a/b/devcontainer.json", False),
        ("src/devcontainer.json", False),
        (".gitlab-ci.yml", True),
        ("deep/compose.yaml", False),
        ("package.json", False),
        ("README.md", False),
    ],
)
def test_files_that_may_name_images_are_known_by_their_names(name: str, *, may: bool) -> None:
    assert may_name_images(name) is may


def test_what_buildkit_sets_by_itself_is_that_of_the_platform() -> None:
    text = b"""\
ARG TARGETARCH
FROM a:1 AS base-arm64
FROM b:1 AS base-amd64
FROM base-${TARGETARCH}
FROM --platform=linux/$BUILDARCH c:1
FROM d:$TARGETARCH
"""
    for machine, word in (("x86_64", "amd64"), ("aarch64", "arm64")):
        files = (ImageFile("Dockerfile", text),)
        found = list(
            all_named(NamedImages((), files, partial(Host, machine=machine), lambda *_: None))
        )
        assert [each.problem for each in found] == [""] * 4
        assert [each.tag for each in found] == ["1", "1", "1", word]
        assert found[2].platform == f"linux/{word}"


def test_dockerfile_variable_that_is_cut_or_replaced_is_not_taken_whole() -> None:
    (image,) = named_in(ImageFile("Dockerfile", b"ARG V=v1\nFROM a:${V#v}\n"))
    assert "variable" in image.problem


def test_compose_file_names_contexts_and_volumes_and_nothing_for_what_is_reset() -> None:
    text = """\
services:
  a: {image: !reset null}
  b: {image: ~}
  c:
    image: a:1
    platform: ${P:-linux/arm64}
    volumes: [{type: image, source: "b:1"}, {type: bind, source: "c:1"}]
  d:
    build:
      additional_contexts: {base: "docker-image://d:1", more: ../more}
  e:
    build:
      additional_contexts: ["base=docker-image://e:1"]
"""
    assert read("compose.yaml", text) == {
        f"docker.io/library/{name}": line
        for name, line in (("b:1", 7), ("a:1", 5), ("d:1", 10), ("e:1", 13))
    }
    found = named_in(ImageFile("compose.yaml", text.encode()))
    assert {each.platform for each in found if each.whole.endswith("/a:1")} == {"linux/arm64"}


def test_values_of_a_chart_name_images_in_one_word_or_in_parts() -> None:
    text = f"""\
image: {{registry: quay.io, repository: a/b, tag: "1", digest: "{DIGEST}"}}
more: {{image: {{repository: c, tag: 2}}}}
chart: {{image: {{repository: d, tag: ""}}}}
sidecar: {{image: "e:1"}}
"""
    assert read("values.yaml", text) == {
        f"quay.io/a/b:1@{DIGEST}": 1,
        "docker.io/library/c:2": 2,
        "docker.io/library/e:1": 4,
    }


def test_name_that_is_to_be_filled_in_is_no_image_yet() -> None:
    def places(text: str) -> list[str]:
        file = ImageFile("kubernetes.yaml", text.encode())
        return [each.whole for each in all_named(NamedImages((), (file,), Host, lambda *_: None))]

    pod = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - {{name: a, image: {}}}\n"
    assert places(pod.format("registry.example/work:1")) == []
    # Who has filled it in means it, and so does who types it.
    assert places(pod.format("harbor.example/work:1")) == ["harbor.example/work:1"]
    typed = NamedImages(("registry.example/work:1",), (), Host, lambda *_: None)
    assert len(list(all_named(typed))) == 1
