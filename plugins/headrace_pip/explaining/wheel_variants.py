"""Which wheel variant uv takes where its preview of them is on (PEP 825 and 850, drafts). Pure.

A release with variants has a file beside its wheels that says what each of them needs: values of
features, in namespaces. What a machine has of a namespace is said by its provider, a program of
somebody's. Of NVIDIA's (nvidia-variant-provider 0.0.2) the rule is known: lower bounds of CUDA up
to the driver's own, upper bounds above it, and code for the most capable GPU. Of others nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from headrace.interface import Host, UnreadableError, dataclass, foreign, read_json

__all__ = ["TABLE", "label_of", "told"]

#: How the file beside a release's wheels ends.
TABLE = "-variants.json"
_LARGEST = 1 << 20
_MOST = 256
_NVIDIA = "nvidia"
_NUMBER = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,3}))?")
#: NVIDIA's features, in its provider's order.
_LOWER, _UPPER, _CODE = "cuda_version_lower_bound", "cuda_version_upper_bound", "sm_arch"
_FEATURES = (_LOWER, _UPPER, _CODE)

Needs = Mapping[str, Mapping[str, list[str]]]
"""By namespace and feature: the values of which one must be there."""


@dataclass(frozen=True, slots=True)
class _Release:
    """What the file says of one release."""

    variants: Mapping[str, Needs]
    namespaces: list[str]
    features: Mapping[str, list[str]]
    values: Mapping[str, Mapping[str, list[str]]]


def told(body: bytes, labels: Iterable[str], host: Host) -> list[str]:
    """Say what uv takes of a release's variants; nothing where there are none that can be read.

    `body` is the file's, `labels` are those of the wheels that would fit but for them; empty: the
    wheel without one.
    """
    try:
        with foreign("a table of wheel variants"):
            release = _read(body)
    except UnreadableError:
        return []
    here = {label for label in labels if label in release.variants}
    named = sorted(here - {"null"})
    if not named:
        return []
    others = sorted({n for label in named for n in release.variants[label]} - {_NVIDIA})
    listed = f"wheel variants (a draft; uv --preview-features wheel-variants): {', '.join(named)}"
    if others:
        return [f"{listed}; what is there of {', '.join(others)} its provider tells uv"]
    able = [label for label in named if _runs(release.variants[label], host)]
    best = min(able, key=lambda label: _rank(label, release, host), default=None)
    if best is not None:
        why = "; ".join(_in_words(release.variants[best], host)) or "it runs here"
        return [f"{listed}; uv takes {best}: {why}"]
    plain = "null, which needs nothing" if "null" in here else "the wheel without a variant"
    return [f"{listed}; none runs here, uv takes {plain}"]


def label_of(filename: str) -> tuple[str, str]:
    """Split a wheel's name: what it is called without a variant's label, and the label or ""."""
    parts = filename.removesuffix(".whl").split("-")
    numbered = len(parts) > 5 and parts[2][:1].isdigit()
    if len(parts) == (7 if numbered else 6):
        return "-".join(parts[:-1]) + ".whl", parts[-1]
    return filename, ""


def _read(body: bytes) -> _Release:
    if len(body) > _LARGEST:
        raise ValueError("it is too large")
    document: dict[str, Any] = read_json(body)
    first = document.get("default-priorities", {})
    variants = {
        str(label): {
            str(namespace): {str(name): [*map(str, values)] for name, values in features.items()}
            for namespace, features in needs.items()
        }
        for label, needs in document["variants"].items()
    }
    if len(variants) > _MOST:
        raise ValueError("it names too many variants")
    return _Release(
        variants,
        [*map(str, first.get("namespace") or ())],
        {name: [*map(str, each)] for name, each in (first.get("feature") or {}).items()},
        {
            name: {feature: [*map(str, each)] for feature, each in features.items()}
            for name, features in (first.get("property") or {}).items()
        },
    )


def _runs(needs: Needs, host: Host) -> bool:
    return all(
        any(_is_there(feature, value, host) for value in values)
        for feature, values in needs.get(_NVIDIA, {}).items()
    )


def _is_there(feature: str, value: str, host: Host) -> bool:
    if feature == _CODE:
        return (best := _most_capable(host)) is not None and value in (
            f"{best}_real",
            f"{best}_virtual",
        )
    bound = _version(value)
    if bound is None or host.cuda is None:
        return False
    if feature == _LOWER:
        return bound <= host.cuda
    return feature == _UPPER and bound > host.cuda


def _version(value: str) -> tuple[int, int] | None:
    found = _NUMBER.fullmatch(value)
    return (int(found[1]), int(found[2] or 0)) if found else None


def _most_capable(host: Host) -> str | None:
    known = [gpu.capability for gpu in host.accelerators if gpu.maker == _NVIDIA and gpu.capability]
    return "{}{}".format(*max(known)) if known else None


def _rank(label: str, release: _Release, host: Host) -> tuple[object, ...]:
    """Return what variants are ordered by, the best first (PEP 825, "Variant ordering")."""
    keys = sorted(
        (
            _place(namespace, release.namespaces),
            _place(feature, release.features.get(namespace, []), _FEATURES),
            *min(_value_rank(namespace, feature, value, release) for value in there),
        )
        for namespace, features in release.variants[label].items()
        for feature, values in features.items()
        if (there := [value for value in values if _is_there(feature, value, host)])
    )
    # Of two that begin alike the one that asks for more comes first.
    return (*((0, key) for key in keys), (1, label))


def _value_rank(
    namespace: str, feature: str, value: str, release: _Release
) -> tuple[int, tuple[int, int]]:
    said = release.values.get(namespace, {}).get(feature, [])
    major, minor = _version(value) or (0, 0)
    newest = (-major, -minor) if feature == _LOWER else (int(value.endswith("_virtual")), 0)
    return _place(value, said), newest


def _place(name: str, *orders: Iterable[str]) -> int:
    every = [each for order in orders for each in order]
    return every.index(name) if name in every else len(every)


def _in_words(needs: Needs, host: Host) -> Iterable[str]:
    cuda = "{}.{}".format(*host.cuda) if host.cuda else ""
    for feature, values in needs.get(_NVIDIA, {}).items():
        there = [value for value in values if _is_there(feature, value, host)]
        if feature == _LOWER:
            newest = max(there, key=lambda value: _version(value) or (0, 0))
            yield f"it needs CUDA {newest}, the driver has {cuda}"
        elif feature == _CODE:
            yield f"it has code for sm_{_most_capable(host)}"
