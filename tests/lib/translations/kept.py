"""Catalogues of messages: ``.po`` files, which people write, and the ``.mo`` files made of them."""

from __future__ import annotations

import io
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from lib.translations.found import CORE, messages

__all__ = ["CATALOGUES", "compiled", "read", "renewed", "written"]

#: Of each language that there is.
CATALOGUES = sorted((CORE / "data" / "locale").glob("*/LC_MESSAGES/headrace.po"))


_HEAD = """\
# What headrace says to people. The ids are read from the code (see CONTRIBUTING.md, "Words in other
# languages"); `PYTHONPATH=tests python -m lib.translations` brings this file to it."""


def read(path: Path) -> Catalog:
    """Read a ``.po`` file."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parents[1].name)


class _Undated(Catalog):
    """Has nothing in its head that differs from one making to the next, or names Babel's age."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Project-Id-Version", "headrace"),
            ("Language", str(self.locale_identifier)),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", self.plural_forms),
        ]

    @mime_headers.setter
    def mime_headers(self, headers: object) -> None:
        """They are what they are."""


def renewed(catalogue: Catalog) -> Catalog:
    """Return the catalogue of the code as it is now, with what is translated already."""
    new = _Undated(catalogue.locale_identifier, header_comment=_HEAD)
    for key, place in messages().items():
        context, _, text = key.rpartition("\x04")
        before = catalogue.get(text, context or None)
        said = before.string if before else ""
        new.add(text, said, context=context or None, locations=[(place, 0)])
    return new


def written(catalogue: Catalog) -> bytes:
    """Return a catalogue as a ``.po`` file."""
    out = io.BytesIO()
    write_po(out, catalogue, width=100, omit_header=False, include_lineno=False)
    return out.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    """Return a catalogue as a ``.mo`` file: the same bytes of the same messages."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()
