"""Pages of projects that are built for several kinds of accelerators, arranged for this host.

Performs what `variants.pages` decides: looks at the host, asks the variant indexes, puts the
pages together. Whatever fails, the default index's page goes out as it is, as without us.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from headrace.config import Settings
from headrace.documents.cache import Documents, Page
from headrace.documents.chosen_labels import ChosenLabels
from headrace.documents.client_requests import ClientRequests
from headrace.documents.renderings import Rendered, Renderings
from headrace.documents.second_chance import SecondChance
from headrace.documents.variant_indexes import HasBuilds, VariantIndexes
from headrace.errors import ConfigurationError, UpstreamError
from headrace.foreign import foreign
from headrace.interface.manager import Plugins
from headrace.models import Request, ServeArtifact, ServeDocument, fits
from headrace.policy.lru import LRUCache
from headrace.policy.timeouts import VARIANTS_WITHIN
from headrace.system.asked_labels import AskedLabels
from headrace.values import dataclass
from headrace.variants.admission import that_matters
from headrace.variants.builds import Candidate, CudaTables, FamilyPages, ListedFile
from headrace.variants.compatibility.gpu_names import chosen_for
from headrace.variants.compatibility.labels import kind_of
from headrace.variants.compatibility.newer_labels import named_label, next_labels
from headrace.variants.host_paths import VARIABLES, environment_for
from headrace.variants.hosts import Host, VariantRequest
from headrace.variants.listing import listing
from headrace.variants.pinned import index_of, with_pins
from headrace.variants.tables import load
from headrace.variants.target import VariantOverride, decided, override_from, said_in
from headrace.variants.wheels import candidates_of_pages

__all__ = ["HasBuilds", "VariantChoice", "VariantPages"]

_log = logging.getLogger("headrace.variants")

#: Seconds that a host is taken to be as it was found.
STANDS = 60.0
#: Lines of pages that are remembered, of all decisions together: some MB. A page has a few hundred,
#: and there is one decision for each project, Python and kind of request.
REMEMBERED = 10_000
#: Times that what indexes list may lead to others; twice is the rule.
ROUNDS = 4
#: Descriptions of hosts (`variants.host_paths`) for which what was found is remembered.
HOSTS = 8

_OFF = "off"
_BUILD = VARIABLES[0]


@dataclass(frozen=True, slots=True)
class VariantChoice:
    """What was last decided on a project, for people."""

    project: str
    build: str
    """``2.14.1+cu126``; empty: the default index's page stays."""
    reason: str
    trouble: str = ""
    """Why the page is not arranged although it should be."""
    unused: str = ""
    """Not empty: the accelerators here will not be used, for this cause, and what would help."""
    warnings: tuple[str, ...] = ()
    """Sentences on what is odd about the build on this host."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One client's question, with all that decides it."""

    request: VariantRequest
    host: Host
    override: VariantOverride
    tables: CudaTables
    client: str = ""
    """Who asks, where the request may be for more than is known."""


@dataclass(frozen=True, slots=True)
class _Arranged:
    """What the pages of a family list."""

    served: FamilyPages
    name: str
    """Of the page that is asked for: who asks for the same in other words shares it."""

    @property
    def weight(self) -> int:
        """Count the lines of all pages."""
        return 1 + sum(map(len, self.served.pages.values()))


class VariantPages:
    """Arranges pages; `choices` tells what was decided."""

    def __init__(
        self,
        documents: Documents,
        renderings: Renderings,
        plugins: Plugins,
        client_requests: ClientRequests,
        *,
        settings: Settings,
        env: Mapping[str, str],
        cache: Path,
        look: Callable[..., Host] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`cache` is the folder for what was found of the host; `look` finds it, in
        place of `system.accelerators`.
        """
        self._documents = documents
        self._renderings = renderings
        self._plugins = plugins
        self._client_requests = client_requests
        self._second_chance = SecondChance(clock)
        self._env = env
        self._settings = settings
        self._cache = cache
        self._look = look
        self._clock = clock
        self._hosts = LRUCache[str, tuple[float, asyncio.Task[Host]]](HOSTS)
        # What one look found is in the cache for the next, whatever host that one describes.
        self._looking = asyncio.Lock()
        self._indexes = VariantIndexes(documents, AskedLabels(cache))
        self._labels = ChosenLabels()
        self._arrangements = LRUCache[str, _Arranged](REMEMBERED, lambda each: each.weight)
        self.choices: dict[str, VariantChoice] = {}

    async def page(
        self, ecosystem: HasBuilds, plan: ServeDocument, request: Request, page: Page, form: str
    ) -> Rendered | None:
        """Return the page for this host; None: the default index's goes out as it is."""
        if self._environment(request.base).get(_BUILD) == _OFF:
            return None
        asked = ecosystem.asked(request, plan)
        if asked is None or asked.project not in load().family:
            return None
        try:
            async with asyncio.timeout(VARIANTS_WITHIN):
                question = await self._question(ecosystem, asked, request)
                if question is None:
                    return None
                served, rendered = await self._arranged(ecosystem, plan, question, page, form)
                if asked.project == question.tables.lead:
                    label = served.decision.label if served.pages else ""
                    self._labels.note(request, label)
                return rendered
        except TimeoutError:
            why = "the accelerators or the variant indexes did not answer in time"
        except (UpstreamError, ConfigurationError, ValueError) as error:
            why = str(error)
        _log.warning("%s: its page goes out as it is: %s", asked.project, why)
        self.choices[asked.project] = VariantChoice(asked.project, "", "", why)
        return None

    async def carried(
        self, ecosystem: HasBuilds, plan: ServeDocument, request: Request, form: str
    ) -> tuple[ServeDocument, Page] | None:
        """Return a variant index's page of what the build that was chosen needs from there.

        None: the default index's page is asked for, as without us.
        """
        tables = load()
        label = self._labels.label(request)
        patterns = tables.carried.get(kind_of(label), ())
        asked = ecosystem.asked(request, plan) if patterns else None
        if asked is None or not fits(patterns, asked.project):
            return None
        instead = ecosystem.variant_page(asked.project, label)
        if instead is None:
            return None
        try:
            return instead, await self._documents.get(ecosystem, instead, form)
        except UpstreamError as error:
            _log.warning("%s: the index of %s does not give it: %s", asked.project, label, error)
            return None

    def taken(self, request: Request, plan: ServeArtifact) -> None:
        """Note that a client takes a file, or what lies beside one."""
        if plan.named_by is not None:
            self._second_chance.taken(_client(request), plan.named_by.key)

    # ------------------------------------------------------------------ the host

    async def why_unused(self, build: Candidate) -> str:
        """Say why a build of the lead uses no accelerator of the host that builds are chosen for;
        empty where it does, or the user has named a build.
        """
        async with asyncio.timeout(VARIANTS_WITHIN):
            env = self._environment("")
            host = await self._found("", env)
        places = said_in(self._env, self._settings.source)
        override = override_from(env, host, load(), places)
        if override.build:
            return ""
        from headrace.variants.compatibility.unused import unused  # noqa: PLC0415 - memory

        return await asyncio.to_thread(unused, build, None, override.host or host, load())

    def _environment(self, base: str) -> Mapping[str, str]:
        """Return what counts for a request below `base`: settings where it says nothing."""
        told = environment_for(self._env, base)
        return decided(told, self._settings.variants, self._settings.target)

    async def _question(
        self, ecosystem: HasBuilds, asked: VariantRequest, request: Request
    ) -> _Asked | None:
        """Put together what decides; None: the client installs for another kind of machine."""
        tables = load()
        env = self._environment(request.base)
        host = await self._found(request.base, env)
        told = environment_for(self._env, request.base)
        places = said_in(told, self._settings.source)
        override = override_from(env, host, tables, places)
        # Also where there is no accelerator: a build may be pinned.
        read = await self._client_requests.read(ecosystem, asked, request)
        if read is None:
            return None
        wanted, override = with_pins(read.request, tables, override)
        if wanted.platform != f"{host.platform}_{host.machine}":
            if not override.pinned:
                return None
            # The very build is asked for, for another kind of machine.
            platform, _, machine = (wanted.platform or "").partition("_")
            override = replace(override, host=Host(platform=platform, machine=machine))
        client = "" if read.whole else _client(request)
        again = client and self._second_chance.is_due(client, asked.project)
        if again and not override.pinned:
            why = "it was asked for again, and nothing of it was taken: the page is the index's own"
            self.choices[asked.project] = VariantChoice(asked.project, "", why)
            return None
        if not override.build:
            chosen = await asyncio.to_thread(
                self._plugins.choose_variant, wanted, host.accelerators
            )
            if chosen is not None:
                override = VariantOverride(build=chosen.label, source=chosen.reason)
        return _Asked(that_matters(wanted, tables), host, override, tables, client)

    async def _found(self, base: str, env: Mapping[str, str]) -> Host:
        """Look at the host, in a thread: a hanging driver must not hold up anybody else."""
        now = self._clock()
        known = self._hosts.get(base)
        if known is None or now - known[0] > STANDS:
            known = now, asyncio.ensure_future(self._look_at(env))
            self._hosts.put(base, known)
        return await asyncio.shield(known[1])

    async def _look_at(self, env: Mapping[str, str]) -> Host:
        async with self._looking:
            return await asyncio.to_thread(self._detect, env)

    def _detect(self, env: Mapping[str, str]) -> Host:
        # Few clients ever ask for what has builds: the others' gateways need not hold all this.
        from headrace.system.accelerators.detection import detect  # noqa: PLC0415 - as it says
        from headrace.system.accelerators.host_view import HostView  # noqa: PLC0415 - as above

        look, detectors = self._look or detect, self._plugins.accelerator_detectors()
        return look(HostView(env), detectors=detectors, cache=self._cache)

    # ------------------------------------------------------------------ the pages

    async def _arranged(
        self,
        ecosystem: HasBuilds,
        plan: ServeDocument,
        asked: _Asked,
        page: Page,
        form: str,
    ) -> tuple[FamilyPages, Rendered | None]:
        pages, arranged = await self._pages(ecosystem, asked, page, form)
        self._tell(asked, arranged.served)
        entries = arranged.served.pages.get(_of(asked), ())
        if not entries:
            return arranged.served, None
        own = {label: found for (project, label), found in pages.items() if project == _of(asked)}
        if asked.client and any(entry.yanked for entry in entries):
            named = (ecosystem.variant_page(_of(asked), label) for label in own)
            keys = [each.key for each in named if each is not None]
            self._second_chance.given(asked.client, _of(asked), keys)
        bodies = {label: found.document for label, found in own.items()}
        rendered = await self._renderings.composed(
            plan.key,
            f"{form} with {arranged.name}",
            _named(sorted((label, found.version) for label, found in own.items())),
            lambda: ecosystem.arranged(plan, form, bodies, entries),
        )
        return arranged.served, rendered

    async def _pages(
        self, ecosystem: HasBuilds, asked: _Asked, page: Page, form: str
    ) -> tuple[dict[tuple[str, str], Page], _Arranged]:
        """Return the pages that matter, by project and label, and what was decided by them.

        Which indexes are worth asking is told by the tables, and by number for what came after
        them; what is in them by themselves. Of those that are not asked the tables tell why they do
        not matter.
        """
        projects = _projects(asked)
        pages = {(_of(asked), ""): page}
        others = [(each, "") for each in projects if each != _of(asked)]
        pages.update(await self._indexes.pages(ecosystem, others, form))
        seen: set[str] = set()
        newer: list[str] | None = None
        for _ in range(ROUNDS):
            known = [
                each
                for each in listing(asked.tables)
                if each.project in projects and each.index and each.index not in seen
            ]
            arranged = await self._decided(ecosystem, asked, pages, known)
            entries = [one for those in arranged.served.pages.values() for one in those]
            more = {one.candidate.index for one in entries if one.listed} - seen - {""}
            if asked.override.pinned:
                more |= {index_of(asked.override.build)} & {one.index for one in known}
            if newer is None:
                newer = await asyncio.to_thread(self._newer, ecosystem, asked, pages, arranged)
            if not more and not newer:
                return pages, arranged
            seen.update(more, newer)
            wanted = [(each, label) for each in projects for label in sorted(more)]
            pages.update(await self._indexes.pages(ecosystem, wanted, form))
            pages.update(await self._indexes.unpromised(ecosystem, newer, projects, form))
            newer = []
        # What is listed always leads elsewhere: then it alone decides.
        return pages, await self._decided(ecosystem, asked, pages, [])

    def _newer(
        self,
        ecosystem: HasBuilds,
        asked: _Asked,
        pages: Mapping[tuple[str, str], Page],
        arranged: _Arranged,
    ) -> list[str]:
        """Name labels that the tables lack and that are worth a question today."""
        tables, every = asked.tables, listing(asked.tables)
        build = asked.override.build
        newer = [label] if (label := named_label(build, every)) else []
        if arranged.served.pages and not build:
            host = chosen_for(asked.override.host or asked.host, tables)
            newer = next_labels(host, _listed(ecosystem, pages), every, tables)
        return self._indexes.due(newer)

    # ------------------------------------------------------------------ the decision

    async def _decided(
        self,
        ecosystem: HasBuilds,
        asked: _Asked,
        pages: Mapping[tuple[str, str], Page],
        known: Sequence[Candidate],
    ) -> _Arranged:
        """Decide by what is on the pages, and by what else is known to be listed."""
        versions = sorted((key, page.version) for key, page in pages.items())
        others = sorted({each.index for each in known})
        name = _named(asked.request, _seen(asked.host), asked.override, versions, others)
        arranged = self._arrangements.get(name)
        if arranged is None:
            arranged = await asyncio.to_thread(self._decide, ecosystem, asked, pages, known)
            self._arrangements.put(name, arranged)
        return arranged

    def _decide(
        self,
        ecosystem: HasBuilds,
        asked: _Asked,
        pages: Mapping[tuple[str, str], Page],
        known: Sequence[Candidate],
    ) -> _Arranged:
        served = _arrange(asked, [*_listed(ecosystem, pages), *known])
        return _Arranged(served, _named(served.pages.get(_of(asked))))

    def _tell(self, asked: _Asked, arrangement: FamilyPages) -> None:
        decision = arrangement.decision
        build = decision.name if arrangement.pages else ""
        choice = VariantChoice(
            _of(asked),
            build,
            decision.reason,
            unused=decision.unused,
            warnings=decision.warnings,
        )
        if self.choices.get(choice.project) != choice:
            _log.info("%s for Python %s: %s", choice.project, asked.request.python, choice.reason)
        self.choices[choice.project] = choice


def _client(request: Request) -> str:
    """Name who asks, as far as every request tells."""
    return f"{request.base} {request.headers.get('user-agent', '')}"


def _of(asked: _Asked) -> str:
    return asked.request.project


def _projects(asked: _Asked) -> list[str]:
    """Return the projects whose pages decide: the lead, and what is asked for of its family."""
    names = {asked.tables.lead, _of(asked), *(name for name, _ in asked.request.companions)}
    return sorted(names & asked.tables.family)


def _arrange(asked: _Asked, candidates: Iterable[Candidate]) -> FamilyPages:
    from headrace.variants.pages import serve  # noqa: PLC0415 - memory

    return serve(asked.host, asked.request, candidates, asked.tables, asked.override)


def _listed(ecosystem: HasBuilds, pages: Mapping[tuple[str, str], Page]) -> list[Candidate]:
    files: dict[tuple[str, str], list[ListedFile]] = {}
    for (project, label), page in pages.items():
        plan = ecosystem.variant_page(project, label)
        if plan is not None:
            with foreign("the page"):
                files[project, label] = list(ecosystem.listed(page.document, plan))
    return candidates_of_pages(files)


def _seen(host: Host) -> Host:
    """Return what decides of a host, without how it was found."""
    return replace(host, notes=(), tried=())


def _named(*parts: object) -> str:
    """Name what something depends on: equal only for equal parts."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
