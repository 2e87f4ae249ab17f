"""Values as YAML that people read: in their order, with comments above them, and read alike by all.

Readers differ in what a bare word is: to some ``no``, ``1e3`` or ``2222:22`` are no text. So every
text is quoted, and a key that is no plain word. Pure.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from headrace.interface import dataclass

__all__ = ["Noted", "yaml_text"]

#: A key that is text to every reader, and is not one of YAML 1.1's other words for true and false.
_PLAIN = re.compile(r"(?!(?i:y|n|yes|no|on|off|true|false|null)\Z)[A-Za-z][A-Za-z0-9_-]*")
_INDENT = 2


@dataclass(frozen=True, slots=True)
class Noted:
    """A value, and why it is as it is: a comment above it."""

    value: Any
    comment: str
    """One line, or more."""


def yaml_text(*documents: Mapping[str, Any], head: str = "") -> str:
    """Write mappings of texts, numbers, truths, lists and mappings, each as a document of its own.

    `head`: a comment above all of them. A list of numbers or of short texts without a comment stays
    on one line.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - other commands need not pay

    writer = YAML()
    writer.indent(mapping=_INDENT, sequence=2 * _INDENT, offset=_INDENT)
    writer.width = 1 << 20  # a text that is folded is another text to some readers
    written = []
    for document in documents:
        text = io.StringIO()
        writer.dump(_mapping(document, 0), text)
        written.append(text.getvalue())
    comment = "".join(f"# {line}\n" for line in head.splitlines())
    return comment + "---\n".join(written)


def _value(value: Any, depth: int) -> Any:
    from ruamel.yaml.comments import CommentedSeq  # noqa: PLC0415 - as above
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString  # noqa: PLC0415 - as above

    if isinstance(value, str):
        return DoubleQuotedScalarString(value)
    if isinstance(value, Mapping):
        return _mapping(value, depth)
    if isinstance(value, Sequence):
        listed = CommentedSeq(_value(_bare(each), depth + 1) for each in value)
        if all(isinstance(each, str | int) for each in value):
            listed.fa.set_flow_style()
        else:
            _comment(listed, enumerate(value), depth + 1)
        return listed
    return value


def _mapping(value: Mapping[str, Any], depth: int) -> Any:
    from ruamel.yaml.comments import CommentedMap  # noqa: PLC0415 - as above

    mapped = CommentedMap()
    names = {name: _key(name) for name in value}
    for name, each in value.items():
        mapped[names[name]] = _value(_bare(each), depth + 1)
    _comment(mapped, ((names[name], each) for name, each in value.items()), depth)
    return mapped


def _comment(written: Any, values: Iterable[tuple[Any, Any]], depth: int) -> None:
    """Put the comments of values above them."""
    for place, each in values:
        if isinstance(each, Noted):
            written.yaml_set_comment_before_after_key(
                place, before=each.comment, indent=depth * _INDENT
            )


def _key(name: str) -> str:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString  # noqa: PLC0415 - as above

    return name if _PLAIN.fullmatch(name) else DoubleQuotedScalarString(name)


def _bare(value: Any) -> Any:
    return value.value if isinstance(value, Noted) else value
