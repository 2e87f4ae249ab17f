"""What a plugin can do about images of containers, for the actions of ``headrace image``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from headrace.interface.explanations import AskForAnswer, Explanation
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.variants.hosts import Host

__all__ = ["ImageQuestion", "ImageTool"]


@dataclass(frozen=True, slots=True)
class ImageQuestion:
    """Which image is looked for, for which host, and how the gateway is asked about it."""

    what: str
    """A family's name, with a version or without (``torch==2.9``), or a repository."""
    flavour: str
    """``runtime``, ``devel``, or empty for the usual one."""
    find_host: Callable[[], Host]
    """Finds the host that it has to run on; takes its time only where it is asked."""
    ask: AskForAnswer
    """Asks the gateway, as an engine would."""


class ImageTool:
    """One way to images. A plugin overrides what it knows; the rest is done by nobody."""

    def find(self, question: ImageQuestion) -> Iterable[Explanation]:
        """Tell the newest image of a name that a host runs, why no newer one, and by
        `Explanation.paths` where its bytes are; nothing, where the name is none of this tool's.
        """
        del question
        return ()
