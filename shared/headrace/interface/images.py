"""What a plugin can do about images of containers, for the actions of ``headrace image``."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headrace.interface.activations import DiscoveredOrigin, Place
from headrace.interface.explanations import AskForAnswer, Explanation
from headrace.interface.named_images import ImagePin, ImageToWarm, NamedImages
from headrace.values import dataclass

if TYPE_CHECKING:
    from headrace.variants.hosts import Host

__all__ = [
    "FolderFile",
    "HeldSecret",
    "ImageCame",
    "ImageFolder",
    "ImageOutcome",
    "ImagePull",
    "ImageQuestion",
    "ImageStanding",
    "ImageTool",
    "ImageTrial",
    "ImageWishes",
]


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
    place: Place | None = None
    """Where it is asked, and which programs are at hand there; None: that does not matter."""


@dataclass(frozen=True, slots=True)
class ImageWishes:
    """What an image to work in is to have, for ``headrace image write``."""

    jupyter: bool = False
    ssh: bool = False
    science: bool = False
    slim: bool = False
    user: str = "me"
    """The account's name inside."""
    logs: str = "text"
    """Or ``json``: one object a line."""
    engine_file: str = "Dockerfile"
    """Or ``Containerfile``."""
    user_id: int = 1000
    group_id: int = 1000
    """The caller's, so that files in the workspace are theirs."""
    node: tuple[tuple[str, str], ...] = ()
    """Labels by which a cluster's nodes are selected for it; none: whichever has such a GPU."""


@dataclass(frozen=True, slots=True)
class FolderFile:
    """One file of a written folder."""

    path: str
    """Relative to the folder, with slashes."""
    data: bytes = field(repr=False)
    mode: int = 0o644
    private: bool = False
    """A place for a secret of the user's: made only where nothing is, in a folder for its owner
    alone; what is there is neither read nor shown.
    """
    worked_in: bool = False
    """Its folder is where the account inside works: written by root, it is that account's."""


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """What is written for an image that was found; where none was, no files."""

    found: Explanation
    files: tuple[FolderFile, ...] = ()
    commands: tuple[str, ...] = ()
    """What to type next."""


@dataclass(frozen=True, slots=True)
class HeldSecret:
    """A secret where others can read it. What it is is said, never the secret itself."""

    place: str
    """The path of a file; or of what an image tells whoever pulls it: ``ENV NAME``, ``step 3``."""
    what: str
    """``a private key``."""


@dataclass(frozen=True, slots=True)
class ImageTrial:
    """An image that is tried in a container, on this machine."""

    image: str
    """Its name, as the engine knows it."""
    engine: str
    """The engine's program as the user named it; empty: the one that is at hand."""
    place: Place
    find_here: Callable[[], Host]
    """Finds this machine's GPUs; takes its time only where it is asked."""
    say: Callable[[str], None]
    """Tells a person what is done now; nobody hears it where nobody looks."""


@dataclass(frozen=True, slots=True)
class ImageCame:
    """What has come of an image by now, as the gateway saw it."""

    bytes: int = 0
    by_source: Mapping[str, int] = field(default_factory=dict)
    seen: bool = False
    """The engine asks the gateway; False: of nobody here, as far as is known."""


@dataclass(frozen=True, slots=True)
class ImagePull:
    """An image that an engine here is to have."""

    question: ImageQuestion
    trial: ImageTrial
    """How it is tried when it is here; its name is not known yet, and empty."""
    tried: bool
    """Whether it is tried at all."""
    watch: Callable[[Mapping[str, int]], AbstractContextManager[Callable[[], ImageCame]]]
    """Shows how files come while the context lasts, given their sizes in bytes by digest; what it
    gives tells how much has come.
    """


class ImageStanding(enum.StrEnum):
    """How what was to be done has ended."""

    DONE = "done"
    ATTENTION = "attention"
    """It is done, and somebody should look at something."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ImageOutcome:
    """What came of an action."""

    tool: str
    lines: tuple[str, ...]
    standing: ImageStanding = ImageStanding.DONE
    table: Mapping[str, Any] = field(default_factory=dict)
    """The same as values, for ``--json``."""


class ImageTool:
    """One way to images. A plugin overrides what it knows; the rest is done by nobody."""

    def origins(self) -> Iterable[DiscoveredOrigin]:
        """Return the registries that everybody may ask, also where no engine is that does: nodes of
        a cluster are looked for from machines without one.
        """
        return ()

    def find(self, question: ImageQuestion) -> Iterable[Explanation]:
        """Tell the newest image of a name that a host runs, why no newer one, and by
        `Explanation.paths` where its bytes are; nothing, where the name is none of this tool's.
        """
        del question
        return ()

    def folder(
        self, question: ImageQuestion, wishes: ImageWishes, directory: Path
    ) -> ImageFolder | None:
        """Make the files from which an image to work in is built on the one that was found, for a
        directory as it was typed at the question's place (nothing of it is read or written); None,
        where the name is none of this tool's. UsageError: wishes that go with no image of it.
        """
        del question, wishes, directory
        return None

    def secrets_sent(
        self, paths: Collection[str], read: Callable[[str], bytes]
    ) -> Iterable[HeldSecret]:
        """Look for secrets in what a build is sent of a folder. `paths`: every file of it, relative
        and with slashes; `read`: what one begins with, empty where it cannot be read.
        """
        del paths, read
        return ()

    def names_images(self, name: str) -> bool:
        """Whether a file may name images: by its name, or by its path below a project's folder
        (``Dockerfile``, ``.github/workflows/test.yml``). What it says is read later.
        """
        del name
        return False

    def outdated(self, named: NamedImages) -> Iterable[ImagePin]:
        """Tell of each image that is named, once, whether its tag is still what it is pinned to.

        A file that cannot be read is worth an `ImagePin` that has failed, not an error.
        """
        del named
        return ()

    def warm(self, named: NamedImages) -> Iterable[ImageToWarm]:
        """Tell of each image that is named, for each platform, what it is made of."""
        del named
        return ()

    def pull(self, request: ImagePull) -> Iterable[ImageOutcome]:
        """Bring the image that `find` finds to an engine here, and try it; nothing, where the name
        is none of this tool's. What stands in the way is raised as an error of ours, which says
        whose fault it is.
        """
        del request
        return ()

    def check(self, trial: ImageTrial) -> Iterable[ImageOutcome]:
        """Try an image that an engine here has; nothing, where the name is none of this tool's."""
        del trial
        return ()
