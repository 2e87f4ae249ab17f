"""What ``headrace image`` does, by registries and engines: each action has a room of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from headrace.interface import (
    DiscoveredOrigin,
    Explanation,
    HeldSecret,
    ImageFolder,
    ImageOutcome,
    ImagePin,
    ImagePull,
    ImageQuestion,
    ImageTool,
    ImageToWarm,
    ImageTrial,
    ImageWishes,
    NamedImages,
)

__all__ = ["Images"]


class Images(ImageTool):
    """Images of the registries that the gateway leads."""

    def origins(self) -> Iterable[DiscoveredOrigin]:
        """The public registries."""
        from headrace_docker.registry_api import registries  # noqa: PLC0415 - start-up time

        return registries.discovered()

    def find(self, question: ImageQuestion) -> Iterable[Explanation]:
        """The newest image that a host runs."""
        from headrace_docker.finding.find import find  # noqa: PLC0415 - start-up time

        yield find(question.what, question.flavour, question.find_host(), question.ask)

    def folder(self, question: ImageQuestion, wishes: ImageWishes, directory: Path) -> ImageFolder:
        """Files from which an image to work in is built."""
        from headrace_docker.writing.at_hand import engine_for  # noqa: PLC0415 - start-up time
        from headrace_docker.writing.write import folder  # noqa: PLC0415 - as above

        return folder(question, wishes, directory, engine_for(question.place, wishes))

    def secrets_sent(
        self, paths: Collection[str], read: Callable[[str], bytes]
    ) -> Iterable[HeldSecret]:
        """Secrets that are in the context of a build."""
        from headrace_docker.leaks.context import secrets_sent  # noqa: PLC0415 - start-up time

        return secrets_sent(paths, read)

    def names_images(self, name: str) -> bool:
        """Dockerfiles, and what is written in YAML; its content says whether it names any."""
        from headrace_docker.naming.files import may_name_images  # noqa: PLC0415 - start-up time

        return may_name_images(name)

    def outdated(self, named: NamedImages) -> Iterable[ImagePin]:
        """Which pinned digests are no longer those of their tags."""
        from headrace_docker.keeping.outdated import outdated  # noqa: PLC0415 - start-up time

        yield from outdated(named)

    def warm(self, named: NamedImages) -> Iterable[ImageToWarm]:
        """What to bring."""
        from headrace_docker.keeping.warming import to_warm  # noqa: PLC0415 - start-up time

        yield from to_warm(named)

    def pull(self, request: ImagePull) -> Iterable[ImageOutcome]:
        """That one, by an engine here."""
        from headrace_docker.pulling.pull import pull  # noqa: PLC0415 - start-up time

        yield pull(request)

    def check(self, trial: ImageTrial) -> Iterable[ImageOutcome]:
        """What an engine here has, tried."""
        from headrace_docker.smoke.trial import check  # noqa: PLC0415 - start-up time

        yield check(trial)
