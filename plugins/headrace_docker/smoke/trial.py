"""An image tried in a container of the engine's, and what came of it, as sentences and values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from headrace.interface import (
    Host,
    ImageOutcome,
    ImageStanding,
    ImageTrial,
    LocalError,
    UsageError,
    dataclass,
    heard,
    host_text,
    load_cuda_tables,
    printable,
    read_json_or_none,
)
from headrace_docker.gpu import container_toolkit
from headrace_docker.gpu.preflight import machine_word
from headrace_docker.leaks.held import leaks_in_configuration
from headrace_docker.pulling import programs
from headrace_docker.pulling.commands import EngineCommands
from headrace_docker.pulling.programs import Said
from headrace_docker.smoke.report import read_report
from headrace_docker.smoke.verdict import Check, Found, judge, sees_none

__all__ = ["Tried", "check", "secrets_in", "try_image"]

#: Seconds: the first look at a GPU takes minutes where its driver goes to sleep.
_PATIENCE = 900.0
#: What is told to the container of the user's variables.
_VARIABLES = (
    "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "ONEAPI_DEVICE_SELECTOR",
)
_WITHOUT_SECRETS = (
    "change that secret, and build the image anew: `RUN --mount=type=secret` leaves none in it"
)
_DOCTOR = "`headrace doctor` says what is missing"
#: Words of runc, crun and containerd where what was to be started is not in the image.
_NO_PROGRAM = heard("executable file not found", "no such file or directory", "executable file `")
_INSIDE = Path(__file__).with_name("inside.py")
_MARKS = {Found.WORKS: "ok", Found.UNCHECKED: "not checked", Found.WRONG: "wrong"}


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it."""

    checks: tuple[Check, ...]
    ran: bool = True
    """False: nothing could be run in a container of it."""

    @property
    def standing(self) -> ImageStanding:
        """Whether somebody should look at it."""
        if not self.ran:
            return ImageStanding.FAILED
        return ImageStanding.ATTENTION if self.any_wrong else ImageStanding.DONE

    @property
    def any_wrong(self) -> bool:
        """Whether anything is wrong, and not only unchecked."""
        return any(each.found is Found.WRONG for each in self.checks)

    def lines(self) -> Iterable[str]:
        """Say each thing in a line; what to do about the first one that is wrong, last."""
        for each in self.checks:
            yield f"{_MARKS[each.found]:<11}  {each.what}: {each.text}"
        wrong = (each for each in self.checks if each.found is Found.WRONG and each.way_out)
        if first := next(wrong, None):
            yield f"{'next':<11}  {first.way_out}"

    def table(self) -> list[dict[str, str]]:
        """Give them as values."""
        return [
            {"what": e.what, "found": e.found.value, "text": e.text, "way_out": e.way_out}
            for e in self.checks
        ]


def check(trial: ImageTrial) -> ImageOutcome:
    """Try an image that an engine here has."""
    if trial.image.startswith("-"):
        raise UsageError("bad-image", f"{trial.image[:60]!r} is an option, and no image's name")
    engine = programs.engine_at_hand(trial.engine, trial.place)
    there = programs.run(engine.digests(trial.image), trial.place.environment)
    # ctr prints the heads of its columns where there is nothing, too.
    if there.status != 0 or (engine.engine == "ctr" and trial.image not in there.text):
        what = f"{engine.engine} has no image {printable(trial.image)[:200]}"
        what += f": {there.last}" if there.status != 0 else " (it takes whole names alone)"
        hint = "`headrace image pull` brings one; the engine's list has the names of those here"
        raise LocalError("no-image", what, hint=hint)
    tried = try_image(engine, trial.image, trial)
    table = {"image": trial.image, "engine": engine.engine, "checks": tried.table()}
    return ImageOutcome("image", tuple(tried.lines()), tried.standing, table)


def try_image(engine: EngineCommands, image: str, trial: ImageTrial) -> Tried:
    """Run our program in a container of an image; first with this machine's GPUs, then without
    where the engine cannot give it any.
    """
    host = trial.find_here()
    trial.say(
        f"{engine.engine} tries it in a container; here: {host_text(host, load_cuda_tables())}"
    )
    gpus = engine.gpus(host, container_toolkit.way(trial.place, host, engine.engine))
    secrets = tuple(secrets_in(engine, image, trial))
    said, refused = _by_any_start(engine, image, trial, gpus)
    first: list[Check] = []
    if refused is not None:
        way_out = _one_thing(trial, host, engine) or _DOCTOR
        text = f"{engine.engine} cannot give a container the GPU: {refused.last}"
        first.append(Check("GPU", Found.WRONG, text, way_out))
    report = read_report(said.text)
    if report is None:
        not_run = _not_run(engine, image, trial, said)
        return Tried((*first, not_run, *secrets), ran=False)
    seen = host if gpus and not first else _without_gpus(host)
    checks = judge(report, seen)
    if gpus and not first and sees_none(report) and (way := _one_thing(trial, host, engine)):
        text = f"{engine.engine}'s containers have no GPU"
        first.append(Check("doctor", Found.WRONG, text, way))
    return Tried((*first, *checks, *secrets))


def _by_any_start(
    engine: EngineCommands, image: str, trial: ImageTrial, gpus: Sequence[str]
) -> tuple[Said, Said | None]:
    """Run it by the image's shell, else by its Python; without GPUs where it runs so alone. Return
    what it said, and what was said where the engine refused the GPUs.
    """
    first: Said | None = None
    for shell in (True, False):
        with_gpus: Said | None = None
        for given in (gpus, ()) if gpus else ((),):
            said = _run(engine, image, trial, given, shell=shell)
            first = first or said
            if said.ended or read_report(said.text) is not None:
                return said, with_gpus
            with_gpus = said
    assert first is not None
    return first, None


def _not_run(engine: EngineCommands, image: str, trial: ImageTrial, said: Said) -> Check:
    if said.ended:
        text = "it was ended: it took too long, or said too much"
        return Check("container", Found.WRONG, text, f"`{engine.engine} run` shows what it says")
    machine = (
        programs.run(words, trial.place.environment) if (words := engine.machine(image)) else None
    )
    made_for = machine.text.strip() if machine is not None and machine.status == 0 else ""
    here = trial.find_here().machine
    if made_for and made_for != machine_word(here):
        text = f"it is for {printable(made_for)[:30]}, and this machine is {here}"
        way_out = "`headrace image pull` brings the one for this machine"
        return Check("container", Found.WRONG, text, way_out)
    if any(mark in f"{said.text}{said.errors}".lower() for mark in _NO_PROGRAM):
        text = (
            "there is neither a shell nor a python3 in this image that could run anything of ours"
        )
        return Check("container", Found.UNCHECKED, text)
    text = f"nothing of ours could be run in it: {said.last}"
    way_out = f"`{engine.engine} run --rm {image}` shows what it says by itself"
    return Check("container", Found.WRONG, text, way_out)


def secrets_in(engine: EngineCommands, image: str, trial: ImageTrial) -> Iterator[Check]:
    """Tell what everybody can read who pulls the image, and nobody should."""
    settings, steps = engine.settings(image), engine.steps(image)
    if not settings:
        text = f"{engine.engine} has no word that tells an image's variables and steps"
        yield Check("secret", Found.UNCHECKED, text)
        return
    told = read_json_or_none(programs.run(settings, trial.place.environment).text)
    made = programs.run(steps, trial.place.environment).text.splitlines()
    history = [{"created_by": read_json_or_none(step)} for step in reversed(made)]
    for each in leaks_in_configuration({"config": told, "history": history}):
        text = f"{each.what}, in {each.place}: whoever pulls the image can read it"
        yield Check("secret", Found.WRONG, text, _WITHOUT_SECRETS)


def _run(
    engine: EngineCommands, image: str, trial: ImageTrial, gpus: Iterable[str], *, shell: bool
) -> Said:
    name = programs.unused_name()
    given = trial.place.environment
    variables = {key: given[key] for key in _VARIABLES if key in given}
    program = _INSIDE.read_bytes()
    words = engine.run(image, name, tuple(gpus), variables, length=len(program), shell=shell)
    ended = False
    try:
        said = programs.run(words, given, patience=_PATIENCE, given=program)
        ended = not said.ended
        return said
    finally:
        if not ended:
            for each in engine.end(name):
                programs.run(each, given)


def _one_thing(trial: ImageTrial, host: Host, engine: EngineCommands) -> str:
    """Say what `headrace doctor` would have done about an engine's containers; "": nothing."""
    findings = container_toolkit.check(trial.place, host, engine=engine.engine)
    return next((each.hint for each in findings if each.level == "warning" and each.hint), "")


def _without_gpus(host: Host) -> Host:
    return Host(platform=host.platform, machine=host.machine)
