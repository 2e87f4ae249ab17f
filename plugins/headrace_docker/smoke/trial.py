"""An image tried in a container of the engine's, and what came of it, as sentences and values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from headrace.interface import (
    Host,
    ImageOutcome,
    ImageStanding,
    ImageTrial,
    dataclass,
    host_text,
    load_cuda_tables,
    read_json_or_none,
)
from headrace_docker.gpu import container_toolkit
from headrace_docker.leaks.held import leaks_in_configuration
from headrace_docker.pulling import programs
from headrace_docker.pulling.commands import EngineCommands
from headrace_docker.pulling.programs import Said
from headrace_docker.smoke.report import read_report
from headrace_docker.smoke.verdict import Check, Found, judge

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
        wrong = any(each.found is Found.WRONG for each in self.checks)
        return ImageStanding.ATTENTION if wrong else ImageStanding.DONE

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
    engine = programs.engine_at_hand(trial.engine, trial.place)
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
    said = _run(engine, image, trial, gpus)
    first: list[Check] = []
    if gpus and read_report(said.text) is None and not said.ended:
        way_out = _one_thing(trial, host) or "`headrace doctor` says what is missing"
        text = f"{engine.engine} cannot give a container the GPU: {said.last}"
        first.append(Check("GPU", Found.WRONG, text, way_out))
        said = _run(engine, image, trial, ())
    report = read_report(said.text)
    if report is None:
        text = f"nothing of ours could be run in it: {said.last}"
        if said.ended:
            text = "it was ended: it took too long, or said too much"
        way_out = f"`{engine.engine} run --rm {image}` shows what it says by itself"
        return Tried((*first, Check("container", Found.WRONG, text, way_out)), ran=False)
    seen = host if gpus and not first else _without_gpus(host)
    checks = judge(report, seen)
    if any(each.found is Found.WRONG for each in checks) and (way := _one_thing(trial, host)):
        first.append(Check("doctor", Found.WRONG, "this machine's containers have no GPU", way))
    return Tried((*first, *checks, *secrets_in(engine, image, trial)))


def secrets_in(engine: EngineCommands, image: str, trial: ImageTrial) -> Iterator[Check]:
    """Tell what everybody can read who pulls the image, and nobody should."""
    settings, steps = engine.settings(image), engine.steps(image)
    if not settings:
        return
    told = read_json_or_none(programs.run(settings, trial.place.environment).text)
    made = programs.run(steps, trial.place.environment).text.splitlines()
    history = [{"created_by": step} for step in reversed(made)]
    for each in leaks_in_configuration({"config": told, "history": history}):
        text = f"{each.what}, in {each.place}: whoever pulls the image can read it"
        yield Check("secret", Found.WRONG, text, _WITHOUT_SECRETS)


def _run(engine: EngineCommands, image: str, trial: ImageTrial, gpus: Iterable[str]) -> Said:
    name = programs.unused_name()
    given = trial.place.environment
    variables = {key: given[key] for key in _VARIABLES if key in given}
    words = engine.run(image, name, tuple(gpus), variables)
    ended = False
    try:
        said = programs.run(words, given, patience=_PATIENCE, given=_INSIDE.read_bytes())
        ended = not said.ended
        return said
    finally:
        if not ended:
            for each in engine.end(name):
                programs.run(each, given)


def _one_thing(trial: ImageTrial, host: Host) -> str:
    """Say what `headrace doctor` would have done about GPUs in containers; "": nothing."""
    findings = container_toolkit.check(trial.place, host)
    return next((each.hint for each in findings if each.level == "warning" and each.hint), "")


def _without_gpus(host: Host) -> Host:
    return Host(platform=host.platform, machine=host.machine)
