"""What ``headrace explain conda:NAME`` says: what conda would install, which builds there are, what
is seen of the GPU.

conda is asked, with the user's own environment, so its channels, its solver and CONDA_OVERRIDE_CUDA
count as they do for conda. Where there is none, or it does not answer, records are read without a
solver, and that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import unquote

from headrace.interface import AskGateway, Explanation, Host, Place, dataclass
from headrace_conda.builds import advice, machines
from headrace_conda.builds.asking import Answer, Conda
from headrace_conda.builds.listing import Shards
from headrace_conda.builds.reading import RecordReader, SeenMachine, Verdict
from headrace_conda.builds.records import CARRIER, PackageBuild, builds_in
from headrace_conda.builds.versions import condition
from headrace_conda.channels import paths as places
from headrace_conda.tools import bases

__all__ = ["explain"]

#: Newest builds that are told.
_FEW = 6


@dataclass(frozen=True, slots=True)
class _Subject:
    """All that is told of one package on one machine."""

    spec: str
    name: str
    host: Host
    machine: SeenMachine
    verdicts: Sequence[Verdict]
    choice: PackageBuild | None
    by: str
    """Who says what is taken, as the rest of a sentence."""
    trouble: str = ""
    """Why nothing is taken, in conda's words."""
    cuda: str = ""
    """Version of CUDA that would be installed along."""


def explain(
    what: str, version: str | None, place: Place, find_host: Callable[[], Host], ask: AskGateway
) -> list[Explanation]:
    """Ask the first conda, else read what the gateway has of conda-forge; nothing where neither
    is there.
    """
    spec = _spec(what, version)
    wanted = None if spec.startswith("-") else condition(spec)
    if wanted is None:
        return [_nothing(f"{spec} names no package of conda's")]
    host = find_host()
    found = bases.find(place)
    if found:
        conda = Conda.of(found[0], place, machines.variables(host, place))
        return [_by_conda(conda, spec, wanted.name, host)]
    shards = Shards(ask, machines.subdir(host))
    builds = [each for each in shards.of(wanted.name) if wanted.met_by(each.version, each.build)]
    if not builds and shards.silent:
        why = "there is no conda here to ask, and conda-forge's records cannot be had"
        hint = "`headrace doctor` says whether the channel can be reached"
        return [_nothing(why, hint)]
    if not builds:
        return []
    machine = machines.machine_of(host, place.environment)
    verdicts = RecordReader(machine, shards.of).verdicts(builds)
    choice = next((each.build for each in verdicts if not each.obstacle), None)
    by = "read without a solver from conda-forge's records: there is no conda here to ask"
    told = _Subject(spec, wanted.name, host, machine, verdicts, choice, by)
    return [_told(replace(told, cuda=advice.cuda_of_build(choice)), place.environment, {}, None)]


def _spec(what: str, version: str | None) -> str:
    """Join what was asked for again; a version by itself was an exact one."""
    if not version:
        return what
    return f"{what}=={version}" if version[0].isalnum() else f"{what}{version}"


def _by_conda(conda: Conda, spec: str, name: str, host: Host) -> Explanation:
    info = conda.info()
    machine = SeenMachine(machines.seen_by_conda(info), host.python or "")
    specs = [spec, *([f"python={host.python}"] if host.python else [])]
    answer = conda.dry_run(*specs)
    builds = conda.builds(spec, name)

    def listed(other: str) -> Sequence[PackageBuild] | None:
        # Each costs a start of conda, so those alone that speak of GPUs.
        if not CARRIER.fullmatch(other):
            return None
        return conda.builds(other, other) or None

    verdicts = RecordReader(machine, listed).verdicts(builds)
    solver = info.get("solver")
    solver = f" with its {solver['name']} solver" if isinstance(solver, dict) else ""
    version = info.get("conda_version") or ".".join(map(str, conda.base.version))
    choice, by = _taken(answer, name, builds), f"conda {version} says so, by a dry run{solver}"
    if not answer.answered:
        choice = next((each.build for each in verdicts if not each.obstacle), None)
        failed = f"failed: {answer.trouble}" if answer.trouble else "gave no answer"
        by = f"read without a solver: conda's dry run {failed}"
    told = _Subject(spec, name, host, machine, verdicts, choice, by, answer.trouble)
    there = answer.packages.get("cuda-version") or answer.packages.get("cudatoolkit")
    cuda = str(there.get("version")) if there else advice.cuda_of_build(choice)
    table = {"base": str(conda.base.prefix), "conda": version, "asked": answer.answered}
    told = replace(told, cuda=cuda)
    return _told(told, conda.place.environment, table, lambda more: conda.dry_run(*specs, more))


def _taken(answer: Answer, name: str, builds: Sequence[PackageBuild]) -> PackageBuild | None:
    """Find the build that the dry run names; of one that no search showed the run itself tells."""
    record = answer.packages.get(name)
    if record is None:
        return None
    build = str(record.get("build_string") or record.get("build") or "")
    same = [b for b in builds if (b.version, b.build) == (str(record.get("version")), build)]
    return next((b for b in same if b.url == record.get("url")), None) or next(
        iter(same or builds_in(name, [{**record, "build": build}])), None
    )


def _told(
    found: _Subject,
    env: Mapping[str, str],
    table: Mapping[str, object],
    try_with: Callable[[str], Answer] | None,
) -> Explanation:
    """Put it into sentences: what comes first, then what was seen, then the builds."""
    host, choice = found.host, found.choice
    seen, _ = found.machine.virtual.get("__cuda", (None, None))
    arch, _ = found.machine.virtual.get("__cuda_arch", (None, None))
    cpu = advice.cpu_build(host, choice, found.verdicts)
    lines = _first(found, cpu)
    hint = advice.older_cuda(host, choice, found.cuda)
    if hint is not None:
        lines.append(_hinted(hint, found.name, try_with))
    lines.append(_why(seen, env, host))
    asked = "base" in table
    if asked or arch is not None:
        wanted = any("__cuda_arch" in each.obstacle for each in found.verdicts)
        lines += advice.architecture(machines.arch_of(host), arch, env, host, wanted=wanted)
    shown = [*found.verdicts[:_FEW]]
    # One that is taken is told however old it is.
    shown += [each for each in found.verdicts[_FEW:] if choice and each.build == choice]
    builds = [_build(each) for each in shown]
    lines += [str(build["line"]) for build in builds]
    path = unquote(places.gateway_path(choice.url) or "") if choice and choice.url else ""
    told = {
        "choice": choice and str(choice),
        "file": choice and choice.url.rpartition("/")[2],
        "by": found.by,
        "trouble": found.trouble,
        "cpu_on_gpu": bool(cpu),
        "hint": hint and hint.spec,
        "__cuda": seen,
        "__cuda_arch": arch,
        "builds": builds,
    }
    paths = (path,) if path else ()
    return Explanation("conda", tuple(lines), paths, {**table, **told}, answers=choice is not None)


def _nothing(*lines: str) -> Explanation:
    return Explanation("conda", lines, (), {"file": None}, answers=False)


def _first(found: _Subject, cpu: str) -> list[str]:
    choice, newest = found.choice, next(iter(found.verdicts), None)
    if choice is None:
        if newest is None and not found.trouble:
            return [f"conda names no {found.spec}: neither by a dry run nor by a search"]
        if newest is None or not newest.obstacle:
            return [f"conda takes no {found.spec} here: {found.trouble}"]
        # Where it can be read from the records the reason is shorter than a solver's.
        reason = f"{newest.build.version} {newest.build.build} {newest.obstacle}"
        return [f"conda takes no {found.spec} here: {reason}", found.trouble or found.by]
    if cpu:
        return [f"{choice} is a CPU build, and there is a GPU: {cpu}", found.by]
    return [f"{choice}{_size(choice)}", found.by]


def _hinted(hint: advice.Hint, name: str, try_with: Callable[[str], Answer] | None) -> str:
    """Say what would do, after conda was asked whether it does."""
    if try_with is None:
        return f"{hint.why}; ask for `{name} {hint.spec}`"
    tried = try_with(hint.spec)
    record = tried.packages.get(name)
    if record is None:
        return f"{hint.why}, and with `{hint.spec}` conda finds none: take a CPU build"
    brings = f"{record.get('version')} {record.get('build_string') or record.get('build')}"
    return f"{hint.why}; `conda install {name} {hint.spec}` brings {brings}"


def _why(seen: str | None, env: Mapping[str, str], host: Host) -> str:
    if machines.is_described(host):
        driver = f"driver {host.driver}" if host.driver else "what is described"
        return f"__cuda is {seen}, for {driver}" if seen else "no __cuda: no driver is described"
    override = env.get("CONDA_OVERRIDE_CUDA")
    if override is not None and seen is not None:
        return f"__cuda is {seen}, because CONDA_OVERRIDE_CUDA says so"
    if override is not None:
        return "no __cuda, because CONDA_OVERRIDE_CUDA is set to nothing: solves take CPU builds"
    if seen is not None:
        return f"__cuda is {seen}: the newest CUDA that the driver of this host runs"
    return (
        "no __cuda: conda finds no CUDA driver here, so solves take CPU builds "
        "(CONDA_OVERRIDE_CUDA=12.4 solves for a host that has one)"
    )


def _size(build: PackageBuild) -> str:
    return f", {build.size / 1e6:.1f} MB" if build.size is not None else ""


def _build(verdict: Verdict) -> dict[str, object]:
    build = verdict.build
    both = (*build.depends, *build.constrains)
    needs = next((str(each) for each in both if each.name == "__cuda"), None)
    words = (
        f"; {verdict.obstacle}: out" if verdict.obstacle else f"; needs {needs}" if needs else ""
    )
    return {
        "line": f"{build.version} {build.build}{_size(build)}{words}",
        "version": build.version,
        "build": build.build,
        "size": build.size,
        "needs": needs,
        "fits": not verdict.obstacle,
        "out": verdict.obstacle,
        "url": build.url,
    }
