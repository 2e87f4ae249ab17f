"""What ``headrace image pull`` does: find, pull by digest, name, compare, try."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from headrace.interface import (
    ImageCame,
    ImageOutcome,
    ImagePull,
    ImageStanding,
    LocalError,
    counted,
)
from headrace_docker.finding.find import look
from headrace_docker.gpu.preflight import linux_on, machine_word
from headrace_docker.pulling import programs
from headrace_docker.pulling.commands import EngineCommands
from headrace_docker.pulling.failures import PullPatience, lasting
from headrace_docker.registry_api.sizes import size_text
from headrace_docker.smoke.trial import try_image

__all__ = ["pull"]

_TOOL = "image"
#: Seconds for which an engine that is gone is waited for, and between two looks.
_BACK, _LOOK = 180.0, 2.0
#: Bytes: less than this is 0.0 MB, a configuration that came when it was looked for.
_WORTH_TELLING = 50_000


def pull(request: ImagePull) -> ImageOutcome:
    """Do it all; an error of ours where it cannot be done."""
    question, trial = request.question, request.trial
    engine = programs.engine_at_hand(trial.engine, trial.place)
    host = question.find_host()
    found = look(question.what, question.flavour, host, question.ask)
    explanation, asked, searched = found.explanation, found.asked, found.searched
    image = searched.image if searched is not None else None
    if asked is None or searched is None or searched.tag is None or image is None:
        return ImageOutcome(_TOOL, explanation.lines, ImageStanding.FAILED, explanation.table)
    named, pinned = f"{asked.place}:{searched.tag.text}", f"{asked.place}@{image.digest}"
    sizes = {part.digest: part.size or 0 for part in image.parts}
    size = sum(sizes.values())
    layers = counted(image.facts.layers, "layer")
    trial.say(f"{engine.engine} pulls {named}: {size_text(size)} in {layers}, {image.digest}")
    here = trial.find_here().machine
    other = host.machine != here
    platform = linux_on(host) if other else ""
    wanted = machine_word(host.machine)
    had = engine.all_there(_digests(engine, request, pinned), image.digest)
    if had and not _is_for(engine, request, pinned, wanted):
        # An index has one digest for all processors, and the engine has it for another one. To
        # docker's classic store it cannot be two images ("Cannot overwrite digest").
        pinned = f"{asked.place}@{image.manifests[-1].digest}"
        had = engine.all_there(_digests(engine, request, pinned), image.manifests[-1].digest)
    with request.watch(sizes) as came:
        if not had:
            _bring(engine, request, pinned, platform, came)
        total = came()
    _name(engine, request, named, pinned)
    digest = pinned.partition("@")[2]
    lines = [f"{engine.engine} has {named}, as {digest}", *_told(total, size, had=had)]
    table = {
        **explanation.table,
        "engine": engine.engine,
        "image": named,
        "pinned": pinned,
        "came": {"bytes": total.bytes, "sources": dict(total.by_source), "led": total.seen},
        "had": had,
    }
    if not request.tried or other:
        if other:
            lines.append(f"not tried: it is for {platform}, and this machine is not")
        return ImageOutcome(_TOOL, tuple(lines), table={**table, "checks": None})
    for line in lines:
        trial.say(line)
    tried = try_image(engine, pinned, trial)
    told = list(tried.lines())
    if host.target:
        told.append("tried on this machine: what the other one can do only that one shows")
    standing = tried.standing
    if standing is ImageStanding.FAILED:
        # It is here, and its digest is right: what is wrong with it is for somebody to look at.
        standing = ImageStanding.ATTENTION if tried.any_wrong else ImageStanding.DONE
    return ImageOutcome(_TOOL, tuple(told), standing, {**table, "checks": tried.table()})


def _bring(
    engine: EngineCommands,
    request: ImagePull,
    pinned: str,
    platform: str,
    came: Callable[[], ImageCame],
) -> None:
    """Pull until it is here, or until there is no sense in it."""
    place, patience = request.trial.place, PullPatience()
    while True:
        said = programs.run(engine.pull(pinned, platform), place.environment, patience=None)
        if said.status == 0:
            return
        if error := lasting(said.text + said.errors, said.last):
            raise error
        _wait_for(engine, request)
        here = came().bytes
        pause = patience.after(here)
        if pause is None:
            what = (
                f"{engine.engine} gave up {counted(patience.tries, 'time')}, with "
                f"{size_text(here)} here: {said.last}"
            )
            hint = "the same command again goes on from there; `headrace doctor` looks at the way"
            raise LocalError("pull-failed", what, hint=hint, fault_of="the way to the registry")
        request.trial.say(f"again in {pause:.0f} s, from {size_text(here)} on: {said.last}")
        programs.wait(pause)


def _wait_for(engine: EngineCommands, request: ImagePull) -> None:
    """Wait until an engine answers that may be starting anew."""
    place, told, began = request.trial.place, False, programs.now()
    while not programs.is_there(engine, place):
        if not told:
            request.trial.say(f"{engine.engine} does not answer: it is waited for")
        told = True
        if programs.now() - began >= _BACK:
            what = f"{engine.engine} ended, and is not back after {_BACK:.0f} s"
            hint = "start it again; then the same command goes on from what is here"
            raise LocalError("engine-gone", what, hint=hint)
        programs.wait(_LOOK)


def _name(engine: EngineCommands, request: ImagePull, named: str, pinned: str) -> None:
    """Give it the tag that it was found by, and see that this is the image of that digest."""
    place = request.trial.place
    said = programs.run(engine.tag(pinned, named), place.environment)
    if said.status != 0:
        what = f"{engine.engine} cannot call it {named}: {said.last}"
        raise LocalError("pull-failed", what, hint=f"it is there as {pinned}")
    if pinned.partition("@")[2] not in _digests(engine, request, named):
        what = f"{engine.engine} has another image as {named} than {pinned}"
        hint = f"use it as {pinned}; somebody else may have pulled the tag at the same time"
        raise LocalError("other-image", what, hint=hint)


def _is_for(engine: EngineCommands, request: ImagePull, name: str, architecture: str) -> bool:
    """Whether an image that is here is for a processor; True too where nobody tells."""
    words = engine.machine(name)
    if not words:
        return True
    said = programs.run(words, request.trial.place.environment)
    wanted = architecture.partition("/")[0]
    return said.status != 0 or said.text.strip() in ("", wanted)


def _digests(engine: EngineCommands, request: ImagePull, name: str) -> str:
    said = programs.run(engine.digests(name), request.trial.place.environment)
    return said.text if said.status == 0 else ""


def _told(total: ImageCame, size: int, *, had: bool) -> Iterator[str]:
    """Say where the bytes came from, so that they add up."""
    if had:
        yield "it was here already: nothing was fetched"
        return
    if not total.seen:
        yield (
            f"none of {size_text(size)} was fetched through the gateway: they were in its store or "
            "in the engine, or the engine asks the registry itself (`headrace status`)"
        )
        return
    given = _sorted(total)
    parts = ", ".join(f"{size_text(number)} from {source}" for source, number in given)
    fetched = sum(total.by_source.values())
    # Of a layer that an earlier pull began, the gateway had a part.
    rest = size - min(total.bytes, fetched)
    text = f"{size_text(fetched)} came: {parts}"
    if fetched - total.bytes >= _WORTH_TELLING:
        text += f", {size_text(fetched - total.bytes)} of it twice"
    if rest >= _WORTH_TELLING:
        text = "; ".join((text, f"{size_text(rest)} were here already"))
    yield text


def _sorted(total: ImageCame) -> Sequence[tuple[str, int]]:
    return sorted(total.by_source.items(), key=lambda each: (-each[1], each[0]))
