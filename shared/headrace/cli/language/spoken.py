"""The reader's language, as gettext takes it from the environment, and a text in it.

Where that is English, or nothing that is known here, a text costs one look at a value, and neither
gettext nor anything else of this room is loaded.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping

from headrace.config import EnvVars, environment

__all__ = ["catalogue_of", "translated"]

#: gettext's order (GNU gettext, "Locale Environment Variables").
_VARIABLES = (EnvVars.LC_ALL, EnvVars.LC_MESSAGES, EnvVars.LANG)
#: Where simplified characters are read. Who reads others is better served with English than with
#: the wrong ones, and gettext looks for no territory beside the one that it was told.
_SIMPLIFIED = {"zh", "zh_cn", "zh_sg", "zh_hans", "zh_hans_cn", "zh_hans_sg"}
#: Whoever cannot show this cannot show Chinese.
_SAMPLE = "网关，镜像"


def translated(text: str) -> str:
    """Return a text as its reader has it; as it is where nobody wrote it in that language."""
    speak = _speaker()
    return speak(text) if speak else text


def catalogue_of(env: Mapping[str, str]) -> str:
    """Return which catalogue of messages an environment asks for; "" for none: English."""
    told = next((value for name in _VARIABLES if (value := env.get(name))), "")
    if _plain(told) in ("", "c", "posix"):
        return ""  # LANGUAGE counts where there is a locale at all
    for each in (env.get(EnvVars.LANGUAGE) or told).split(":"):
        name = _plain(each)
        if name in _SIMPLIFIED:
            return "zh_CN"
        if name.partition("_")[0] in ("en", "c", "posix"):
            return ""
    return ""


def _plain(locale: str) -> str:
    """Return a locale without its encoding and modifier, as language and territory."""
    return locale.partition(".")[0].partition("@")[0].replace("-", "_").lower()


@functools.cache
def _speaker() -> Callable[[str], str] | None:
    name = catalogue_of(environment())
    if not name or not all(map(_shows_it, (sys.stdout, sys.stderr))):
        return None
    from headrace.cli.language import messages  # noqa: PLC0415 - start-up time

    return messages.speaker(name)


def _shows_it(stream: object) -> bool:
    try:
        _SAMPLE.encode(getattr(stream, "encoding", None) or "utf-8")
    except (LookupError, UnicodeError):
        return False
    return True
