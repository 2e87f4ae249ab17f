"""Laws of pages that are arranged for a known request, by what pip then takes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache

from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from headrace.variants.builds import Candidate, FamilyPages, PageEntry
from headrace.variants.choose import kind_wanted
from headrace.variants.compatibility.fit import Compatible, judge
from headrace.variants.compatibility.labels import Kind, kind_of, label_of, same_stack
from headrace.variants.hosts import Accelerator, Host, VariantRequest
from headrace.variants.pages import serve
from headrace.variants.target import NOTHING
from headrace.variants.wheels import misfit
from lib.gpu.pip_choice import File, in_order, resolved
from lib.gpu.variant_listing import TABLES, listing

NAMES = ("torch", "torchvision", "torchaudio")
_SINCE = {"torch": "2.7.1", "torchvision": "0.22.1", "torchaudio": "2.7.1"}
#: The newer half, which is enough for every kind of build and all the sooner looked through.
LISTED = [
    each
    for each in listing()
    if each.project in NAMES and Version(each.version) >= Version(_SINCE[each.project])
]

_DRIVERS = ["450.80.02", "470.256.02", "525.60.13", "535.183.01", "550.54.15", "570.26"]
_DRIVERS += ["580.95.05", "620.70.06"]
_CAPABILITIES = [(3, 7), (5, 2), (6, 1), (7, 0), (7, 5), (8, 0), (8, 9), (9, 0), (10, 0), (12, 0)]
gpus = st.builds(
    Accelerator, st.just("nvidia"), st.just("one"), st.sampled_from([None, *_CAPABILITIES])
)
cards = st.builds(
    Accelerator,
    st.just("amd"),
    st.just("a card"),
    architecture=st.sampled_from(["gfx1100", "gfx90a", "gfx1103"]),
)
hosts = st.one_of(
    st.builds(
        Host,
        st.lists(gpus, min_size=1, max_size=2).map(tuple),
        st.sampled_from(_DRIVERS),
        platform=st.sampled_from(["linux", "linux", "linux", "win32"]),
        machine=st.sampled_from(["x86_64", "x86_64", "x86_64", "aarch64"]),
        libc=st.just((2, 36)),
    ),
    st.builds(Host, st.tuples(cards), libc=st.just((2, 36))),
    st.just(Host(libc=(2, 36))),
)
_LEADS = ["2.15.0", "2.14.1", "2.13.0", "2.12.1", "2.10.0", "2.8.0", "2.7.1"]
_FORMS = ["=={}", ">={}", "<={}", "<{}", ">{}", "!={}", "~={}", "=={}.*"]


def clauses(versions: list[str]) -> st.SearchStrategy[str]:
    one = st.builds(str.format, st.sampled_from(_FORMS), st.sampled_from(versions))
    return st.one_of(st.just(""), one, st.lists(one, min_size=2, max_size=2).map(",".join))


torch = clauses(_LEADS)
vision = st.just("") | clauses(["0.29.2", "0.29.1", "0.28.0", "0.27.1", "0.22.1"])
audio = st.just("") | clauses(["2.11.0", "2.10.0", "2.7.1"])
families = st.one_of(
    st.fixed_dictionaries({"torch": torch}, optional={"torchvision": vision, "torchaudio": audio}),
    st.fixed_dictionaries({"torchvision": vision}, optional={"torchaudio": audio}),
)
there = st.sampled_from(
    [None, None, "2.14.1+cu126", "2.15.0", "2.13.0+cpu", "2.14.1", "2.8.0+cu126", "2.13.0+cu130"]
)


def requests(
    asked: Mapping[str, str], python: str, installed: str | None
) -> Iterator[VariantRequest]:
    """Yield what the gateway knows when pip asks for each of the family's pages."""
    for name in {TABLES.lead: "", **asked}:
        others = tuple((p, text) for p, text in asked.items() if p != name)
        yield VariantRequest(name, python, None, asked.get(name, ""), others, installed, known=True)


#: As the metadata of torchvision 0.29.1 and 0.29.2 has it; torchaudio 2.11.0 names no release.
_UNPINNED = {"torchvision": ">=2.14.0"}


@cache
def requires(file: File) -> Mapping[str, str]:
    """Say what a wheel's metadata requires of the lead; the newest followers pin no release."""
    if file.project == TABLES.lead:
        return {}
    public = file.version.partition("+")[0]
    rows = {each.version: each.partners for each in TABLES.releases} | dict(TABLES.patches)
    made = {
        version: text
        for version, row in rows.items()
        if (text := row.get(file.project)) and SpecifierSet(text).contains(public)
    }
    pinned = len(made) == 1 and f"=={public}" in made.values()
    return {TABLES.lead: f"=={next(iter(made))}" if pinned else _UNPINNED.get(file.project, "")}


def files(entries: list[PageEntry], host: Host, python: str) -> list[File]:
    """Return what is on a page for this interpreter."""
    return [
        File(each.candidate.project, each.candidate.name, bool(each.yanked))
        for each in entries
        if each.listed and not misfit(each.candidate.wheels, host, python, (2, 28))
    ]


def plain_page(project: str) -> list[PageEntry]:
    mine = [each for each in LISTED if each.project == project]
    return [PageEntry(each, listed=not each.index) for each in mine]


class Case:
    """What pip takes with us and without."""

    def __init__(
        self, host: Host, asked: Mapping[str, str], python: str, installed: str | None
    ) -> None:
        self.host, self.asked, self.python = host, asked, python
        names = [TABLES.lead, *(each for each in asked if each != TABLES.lead)]
        self.installed = installed
        of_lead, *others = requests(asked, python, installed)
        # The pages of followers are the same, whichever of them is asked for.
        served: dict[str, FamilyPages] = {TABLES.lead: serve(host, of_lead, LISTED, TABLES)}
        follower = serve(host, others[0], LISTED, TABLES) if installed and others else None
        served |= {each.project: follower or served[TABLES.lead] for each in others}
        plain = {name: files(plain_page(name), host, python) for name in names}
        ours = {
            name: files(list(served[name].pages.get(name, plain_page(name))), host, python)
            for name in names
        }
        kept = File(TABLES.lead, installed) if installed else None
        self.plain = resolved(asked, plain, requires, kept)
        self.ours = resolved(asked, ours, requires, kept)
        everything = {
            name: [replace(each, listed=True) for each in plain_page(name)] for name in names
        }
        self.everything = {name: files(those, host, python) for name, those in everything.items()}
        self.names = names

    def label(self, file: File) -> str:
        version, _, local = file.version.partition("+")
        return label_of(Candidate(file.project, version, local, local), self.host, TABLES)

    def one_family(self, taken: Mapping[str, File]) -> bool:
        labels = [self.label(file) for file in taken.values()]
        return all(same_stack(label, labels[0]) for label in labels)

    def covers(self, lead: File) -> int:
        """Count the accelerators that a build has code for."""
        judged = self._judged(lead)
        return len(judged.covered) if judged else 0

    def runs(self, lead: File) -> bool:
        """Whether the most capable accelerator runs a build."""
        judged = self._judged(lead)
        return judged is not None and judged.coverage[:1] == (1,)

    def _judged(self, lead: File) -> Compatible | None:
        request = VariantRequest(TABLES.lead, self.python)
        kind = kind_wanted(self.host, request, TABLES, NOTHING).kind
        version, _, local = lead.version.partition("+")
        this = Candidate(TABLES.lead, version, local, local)
        judged = judge(this, kind or Kind.OTHER, self.host, TABLES)
        return judged if isinstance(judged, Compatible) else None

    def possible(self) -> Iterator[File]:
        """Yield each build of the lead with which pip could be brought to take followers of its
        stack, whatever is on the page.
        """
        admitted = {n: in_order(self.everything[n], self.asked.get(n, "")) for n in self.names}
        followers = {
            name: [(file, self.label(file), requires(file).get(TABLES.lead, "")) for file in those]
            for name, those in admitted.items()
            if name != TABLES.lead
        }
        for lead in admitted[TABLES.lead]:
            label = self.label(lead)
            if all(
                any(same_stack(other, label) and in_order([lead], text) for _, other, text in those)
                for those in followers.values()
            ):
                yield lead


def succeeds_as_plain_pip_does(case: Case) -> None:
    if case.plain is not None:
        assert case.ours is not None


def is_of_one_stack_where_that_can_be_had(case: Case) -> None:
    if case.ours is not None and not case.installed and not case.one_family(case.ours):
        assert not any(case.possible())


def runs_where_what_is_admitted_can(case: Case) -> None:
    if case.ours is None or case.installed or not case.host.accelerators:
        return
    lead = case.ours.get(TABLES.lead)
    if lead is not None and not case.runs(lead):
        assert not any(case.runs(other) for other in case.possible())


def leaves_a_default_that_runs(case: Case) -> None:
    if case.plain is None or case.installed or not case.one_family(case.plain):
        return
    lead = case.plain.get(TABLES.lead)
    if lead is None or not (case.runs(lead) or not case.host.accelerators):
        return
    if case.ours != case.plain:
        # Another build of the same release, which more of the host's GPUs run.
        assert case.ours is not None
        other = case.ours[TABLES.lead]
        assert other.version.partition("+")[0] == lead.version.partition("+")[0]
        assert case.covers(other) > case.covers(lead)


def follows_what_is_installed(case: Case) -> None:
    if not case.installed or case.ours is None or TABLES.lead not in case.ours:
        return
    lead = case.ours[TABLES.lead]
    for project, file in case.ours.items():
        if lead.version == case.installed and not same_stack(case.label(file), case.label(lead)):
            admitted = in_order(case.everything[project], case.asked.get(project, ""))
            alike = [each for each in admitted if same_stack(case.label(each), case.label(lead))]
            texts = [requires(each).get(TABLES.lead, "") for each in alike]
            assert not any(in_order([lead], text) for text in texts)


LAWS = (
    succeeds_as_plain_pip_does,
    is_of_one_stack_where_that_can_be_had,
    runs_where_what_is_admitted_can,
    leaves_a_default_that_runs,
    follows_what_is_installed,
)


@settings(max_examples=20, deadline=None)
@given(hosts, families, st.sampled_from(["3.10", "3.12"]), there)
@example(
    Host(machine="x86_64"), {"torchvision": "==0.29.1", "torchaudio": "==2.10.0"}, "3.10", None
)
# A follower without a pin holds a default that runs back no more than plain pip does.
@example(
    Host((Accelerator("nvidia", "one", (9, 0)),), "590.48.01", libc=(2, 36)),
    {"torchvision": "<=0.29.1"},
    "3.12",
    None,
)
def test_what_pip_takes_of_pages_for_a_known_request_keeps_every_law(
    host: Host, asked: dict[str, str], python: str, installed: str | None
) -> None:
    case = Case(host, asked, python, installed)
    for law in LAWS:
        law(case)


def test_the_kinds_of_builds_are_all_drawn() -> None:
    assert {kind_of(each.index) for each in LISTED if each.index} == set(Kind) - {Kind.OTHER}
