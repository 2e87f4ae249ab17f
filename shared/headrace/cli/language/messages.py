"""The catalogue of messages as gettext reads it: the ``.mo`` file that lies in the wheel."""

from __future__ import annotations

import gettext
from collections.abc import Callable

from headrace.cli.language.sentences import Sentences
from headrace.data import FOLDER

__all__ = ["speaker"]


def speaker(name: str) -> Callable[[str], str] | None:
    """Return what says a text by the catalogue `name` ("zh_CN"); None where there is none."""
    place = FOLDER / "locale" / name / "LC_MESSAGES"
    try:
        with place.joinpath("headrace.mo").open("rb") as file:
            read = gettext.GNUTranslations(file)
    except (OSError, ValueError):
        return None  # an installation without it speaks English
    # gettext answers for an id alone, and here the ids are looked through; Django reads it so, too.
    return Sentences(vars(read)["_catalog"]).translated
