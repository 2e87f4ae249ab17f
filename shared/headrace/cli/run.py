"""``headrace run -- COMMAND``: a gateway for as long as commands need it, and nothing left behind.

Whatever goes wrong with the gateway, the command runs (promise 2), and what it returns is returned.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace import __version__
from headrace.cli import child_process
from headrace.cli.context import USAGE, Context
from headrace.cli.runs.telling import status, summed_up, warn
from headrace.config import EnvVars
from headrace.errors import ClientError, HeadraceError, LocalError, UnfitError, UsageError
from headrace.foreign import whole_number
from headrace.interface.containers import LedInside, NotLed
from headrace.interface.editing.presence import is_there
from headrace.interface.hookspecs import DiscoveredOrigin, GatewayAddress
from headrace.interface.leading import LedBy, LedCommand, which_way
from headrace.models import Origin

if TYPE_CHECKING:
    from headrace.cli.runs.bottom_row import BottomRow
    from headrace.cli.runs.kept.keeping import OutcomeKeeper
    from headrace.cli.runs.leading import Asking, Lead
    from headrace.cli.runs.started import GatewayOfRun
    from headrace.system.service.identity import Expected

__all__ = ["add", "lead", "private_gateway", "run"]


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the parser."""
    parser = subparsers.add_parser(
        "run",
        help="run one command through the gateway; nothing is configured",
        description="Start a gateway, or share that of your other runs, point the tools at it by "
        "environment variables, run COMMAND, and clear up. The exit code is the command's.",
    )
    parser.add_argument("--quiet", "-q", action="store_true", help="no progress, no summary")
    parser.add_argument("command_words", nargs=argparse.REMAINDER, metavar="-- COMMAND")


def run(args: argparse.Namespace, context: Context) -> int:
    """Run the command; return its exit code."""
    return lead(args, context, command="run")


def lead(args: argparse.Namespace, context: Context, *, command: str) -> int:
    """Run a command for ``headrace run``, or for ``headrace build``, which is about containers."""
    words: list[str] = args.command_words
    if words[:1] == ["--"]:
        words = words[1:]
    if not words:
        warn(f"which command? headrace {command} -- COMMAND")
        return USAGE
    try:
        path = child_process.find(words[0], context.env)
    except ClientError as error:
        warn(error.message)
        return (
            child_process.NOT_FOUND
            if error.reference == "not-found"
            else child_process.NOT_EXECUTABLE
        )
    if _inside_another(context):
        return child_process.replace_by(path, words, context.env)
    keeping = _keeping(path, words, context) if command == "run" else None
    inside = _inside(words, context)
    if command == "build":
        _check_build(words, inside)
    led = _way(words, context)
    if led.way in (LedBy.PROXY, LedBy.SETTINGS):
        return _run(path, tuple(words), context, led, inside, keeping, quiet=args.quiet)
    if led.before:
        # What fetches for a program is led. Where it fails the command says so in its own words.
        _run(path, led.before, context, led, None, quiet=args.quiet)
    # The program itself has the environment that it would have had, and nobody waits for it.
    return child_process.replace_by(path, words, context.env)


def _run(  # noqa: PLR0917 - one command
    path: str,
    words: tuple[str, ...],
    context: Context,
    led: LedCommand,
    inside: LedInside | NotLed | None,
    keeping: OutcomeKeeper | None = None,
    *,
    quiet: bool,
) -> int:
    row = _row(context) if led.silent and not quiet else None
    with ExitStack() as clearing_up:
        try:
            run_as, env, summary = _prepare(
                words, context, clearing_up, led, inside, keeping, row, quiet=quiet
            )
        except Exception as error:  # noqa: BLE001 - nothing of ours costs anybody the command
            why = getattr(error, "message", None) or str(error) or repr(error)
            warn(f"{why}; the command runs without headrace")
            run_as, env, summary = words, dict(context.env), list
        code = child_process.run(path, list(run_as), env, aside=row.aside if row else None)
        if row is not None:
            row.end()
        # The command is done, and may have replaced this very headrace: its exit code is returned.
        with suppress(Exception):
            for text in [] if quiet else summary():
                warn(text)
    return code


def _row(context: Context) -> BottomRow | None:
    """Return where the progress of a command is shown that shows none itself; None: nowhere."""
    if not sys.stderr.isatty():
        return None
    from headrace.cli.runs import bottom_row, progress  # noqa: PLC0415 - start-up time

    return bottom_row.BottomRow(sys.stderr.fileno()) if progress.wanted(context.env) else None


def _keeping(path: str, words: list[str], context: Context) -> OutcomeKeeper | None:
    """Begin to look at what the outcome is made of, where it may be kept."""
    # Whoever has no gateway of their own pays nothing for what could not be kept.
    if not is_there(context.folders.state / "gateway.json"):
        return None
    from headrace.cli.runs.kept import keeping, quick  # noqa: PLC0415 - start-up time

    try:
        whole = quick.usable(dict(context.env)) and quick.split(words)[1] == words
        return keeping.OutcomeKeeper(path, words, context) if whole else None
    except (OSError, ValueError):
        return None  # of a folder that is gone: the command runs all the same


def _way(words: Sequence[str], context: Context) -> LedCommand:
    """Say how the command is led; a plugin that cannot say it costs nobody the command."""
    try:
        read = context.journal.pristine
        return which_way(words, context.plugins.led_tools(), context.place(tuple(words)), read)
    except Exception as error:  # noqa: BLE001 - any error of a foreign function
        warn(f"it is not known how this command is led: {error!r}")
        return LedCommand(LedBy.SETTINGS)


def _inside(words: Sequence[str], context: Context) -> LedInside | NotLed | None:
    """Say how what the command starts in containers is led, if it starts any."""
    place = context.place(tuple(words))
    try:
        ways = (engine.inside(words, place) for engine in context.plugins.led_containers())
        return next((way for way in ways if way is not None), None)
    except Exception as error:  # noqa: BLE001 - as above
        return NotLed(f"it is not known how its containers are led: {error!r}")


def _check_build(words: Sequence[str], inside: LedInside | NotLed | None) -> None:
    """Refuse what nobody can lead, where its being led was asked for; UsageError."""
    if inside is None:
        hint = "`headrace run` leads everything else"
        raise UsageError(
            "no-build", f"{words[0]!r} is no way to build an image that headrace knows", hint=hint
        )
    if isinstance(inside, NotLed) and inside.refused:
        raise UnfitError("not-led", inside.reason, hint=inside.hint)


def _inside_another(context: Context) -> bool:
    number = whole_number(context.env.get(EnvVars.HEADRACE_RUN, ""))
    if number is None or number > 65535:
        return False
    from headrace.system.service import health  # noqa: PLC0415 - start-up time
    from headrace.system.service.identity import Expected  # noqa: PLC0415 - as above

    # Whose it is, is all that can be known here: it has a state of its own.
    return health.look(GatewayAddress("127.0.0.1", number), Expected()).up


def _prepare(  # noqa: PLR0917 - as above
    words: tuple[str, ...],
    context: Context,
    clearing_up: ExitStack,
    led: LedCommand,
    inside: LedInside | NotLed | None,
    keeping: OutcomeKeeper | None,
    row: BottomRow | None,
    *,
    quiet: bool,
) -> tuple[tuple[str, ...], dict[str, str], Callable[[], list[str]]]:
    """Start (or find) a gateway; return the command, its environment and how to sum up. What the
    command waits for is told meanwhile, unless `quiet`: in a `row` of its own, where there is one.
    """
    from headrace.cli.runs import shared, started  # noqa: PLC0415 - as above
    from headrace.cli.runs.meanwhile import telling  # noqa: PLC0415 - start-up time
    from headrace.cli.setup.discovery import discover  # noqa: PLC0415 - as above
    from headrace.interface.editing import answers  # noqa: PLC0415 - as above
    from headrace.system import folders as made_private  # noqa: PLC0415 - as above

    with keeping.looked.nothing_of_this() if keeping else nullcontext():
        started.sweep(context.folders)
        with suppress(OSError):
            made_private.make(context.folders.state / answers.FOLDER)
    origins = discover(context, words)
    if not origins:
        raise LocalError("no-origin", "no tool here has an origin that headrace knows")
    found = _running(context, origins, clearing_up)
    if found is None or inside is not None:
        keeping = None  # of what ends with this command nothing is kept
    found = (
        found
        or shared.shared(context, origins, clearing_up)
        or started.own(context, origins, clearing_up)
    )
    asking = None
    if led.way is not LedBy.SETTINGS:
        # A far origin is several round trips away: they begin before anything else is made ready.
        asking = _asking(words, context, found, origins, led, clearing_up)
    env = _environment(words, context, found, [o.origin for o in origins])
    lead = _led(context, found, led, *asking) if asking is not None else None
    if keeping is not None and (lead is not None or led.way is LedBy.SETTINGS):
        keeping.keep(found, env, lead, silent=led.silent)
    if lead is not None:
        _merge(env, lead[2])
    if isinstance(inside, LedInside):
        words, variables = _led_inside(words, inside, found, origins, context, clearing_up)
        _merge(env, variables)
    elif inside is not None:
        warn(f"its containers are not led: {inside.reason}")
    if not quiet:
        ask = partial(status, found.address, found.expected)
        clearing_up.enter_context(_showing(ask, row) if row else telling(ask, warn))
    return words, env, _summing_up(found, context)


def _showing(ask: Callable[[], Any], row: BottomRow) -> AbstractContextManager[None]:
    from headrace.cli.runs.progress import showing  # noqa: PLC0415 - loaded already

    return showing(ask, row)


def _running(
    context: Context, origins: Sequence[DiscoveredOrigin], clearing_up: ExitStack
) -> GatewayOfRun | None:
    """Return the user's gateway, if it is up, of this version, and fronts these origins."""
    from headrace.cli.runs.started import GatewayOfRun, scratch_folder  # noqa: PLC0415 - start-up time
    from headrace.system.service import health  # noqa: PLC0415 - as above

    address = context.state.gateway()
    if address is None or not _names(origins) <= _names(context.state.origins()):
        return None
    expected = context.state.expected()
    there, told = health.look_and_ask(address, expected, "/status")
    if not there.listening and _woken(context):
        there, told = health.look_and_ask(address, expected, "/status")
    if there.who:
        warn(
            f"port {address.port} is held by {there.who}: not your gateway; "
            "this command has one of its own"
        )
    if not there.up or there.redirecting or there.version != __version__:
        return None
    return GatewayOfRun(address, expected, scratch_folder(clearing_up)[0], told)


def _woken(context: Context) -> bool:
    """Start again what `headrace on` set up, where nobody has its port."""
    from headrace.system.service import waking  # noqa: PLC0415 - start-up time

    try:
        return waking.wake(context.state, context.folders, context.scope, context.env) is not None
    except HeadraceError:
        return False


def _names(origins: Sequence[DiscoveredOrigin]) -> set[tuple[str, str, str]]:
    """Paths are made of names: one that means another index here would bring its packages."""
    return {(found.origin.ecosystem, found.origin.name, found.origin.url) for found in origins}


def private_gateway(
    context: Context, clearing_up: ExitStack, more: Sequence[DiscoveredOrigin] = ()
) -> tuple[GatewayAddress, Expected]:
    """Start a gateway for this command, with whatever the tools ask now, and those of `more` whose
    ecosystem none of them asks; LocalError where none can be. It ends, and nothing of it is left,
    with `clearing_up`.
    """
    from headrace.cli.runs.started import own  # noqa: PLC0415 - start-up time
    from headrace.cli.setup.discovery import discover  # noqa: PLC0415 - as above

    origins = discover(context, ())
    asked = {each.origin.ecosystem for each in origins}
    origins += [each for each in more if each.origin.ecosystem not in asked]
    if not origins:
        raise LocalError("no-origin", "no tool here has an origin that headrace knows")
    found = own(context, origins, clearing_up)
    return found.address, found.expected


def _environment(
    words: tuple[str, ...],
    context: Context,
    found: GatewayOfRun,
    origins: Sequence[Origin],
) -> dict[str, str]:
    """Ask every tool's activation for its variables, and write the files that they need."""
    from headrace.cli.setup.guarded import guarded  # noqa: PLC0415 - start-up time
    from headrace.system import folders as made_private  # noqa: PLC0415 - as above
    from headrace.variants.host_paths import base_of  # noqa: PLC0415 - as above

    env, scratch = dict(context.env), found.scratch
    address = replace(found.address, base=base_of(env))
    place = context.place(words)
    read = context.journal.pristine
    for activation in context.plugins.activations():
        try:
            with guarded(activation):
                variables, edits = activation.environment(place, address, origins, read, scratch)
        except HeadraceError as error:
            warn(f"{activation.tool} is left alone: {error}")
            continue
        for edit in edits:
            if not edit.path.is_relative_to(scratch) or edit.after is None:
                continue
            made_private.make(edit.path.parent)
            edit.path.write_bytes(edit.after)
        _merge(env, variables)
    env[EnvVars.HEADRACE_RUN] = str(address.port)
    return env


def _asking(  # noqa: PLR0917 - one caller
    words: tuple[str, ...],
    context: Context,
    found: GatewayOfRun,
    origins: Sequence[DiscoveredOrigin],
    led: LedCommand,
    clearing_up: ExitStack,
) -> tuple[Asking, Mapping[str, Any]] | None:
    """Begin to ask the gateway to lead the command through the proxy, too; return that, and what
    was asked. Where nobody can be led, say so.
    """
    from headrace.cli.runs import leading, logins  # noqa: PLC0415 - a cost of those who are led

    try:
        own = logins.known(context, words)
        asked = leading.question(found, origins, context.env, logins=own)
    except HeadraceError as error:
        _say_not_led(led, error)
        return None
    asking = leading.Asking(found, asked)
    clearing_up.callback(asking.end)
    return asking, asked


def _led(
    context: Context,
    found: GatewayOfRun,
    led: LedCommand,
    asking: Asking,
    asked: Mapping[str, Any],
) -> tuple[Lead, Mapping[str, Any], Mapping[str, str | None]] | None:
    """Return what leads the command, what was asked for it, and what its variables say; where
    nothing does, say so.
    """
    from headrace.cli.runs import leading  # noqa: PLC0415 - loaded already

    try:
        lead = asking.lead()
        told = leading.variables(lead, context.env, found.scratch, led.authorities)
    except HeadraceError as error:
        _say_not_led(led, error)
        return None
    return lead, asked, told


def _say_not_led(led: LedCommand, error: HeadraceError) -> None:
    if led.tool is not None:
        warn(f"{led.tool.name} is not led: {error.message}")


def _led_inside(  # noqa: PLR0917 - one caller
    words: tuple[str, ...],
    inside: LedInside,
    found: GatewayOfRun,
    origins: Sequence[DiscoveredOrigin],
    context: Context,
    clearing_up: ExitStack,
) -> tuple[tuple[str, ...], Mapping[str, str | None]]:
    """Lead what the command starts in containers, too; where nothing can, say so."""
    from headrace.cli.runs.inside import begin  # noqa: PLC0415 - a cost of those who are led

    try:
        command = begin(inside, found, origins, context, clearing_up)
    except (HeadraceError, OSError) as error:
        warn(f"its containers are not led: {getattr(error, 'message', error)}")
        return words, {}
    return command.words, command.variables


def _merge(env: dict[str, str], variables: Mapping[str, str | None]) -> None:
    """Take over what one tool wants; of a search path that several add to, every part."""
    for name, value in variables.items():
        if value is None:
            env.pop(name, None)
        elif name == "PYTHONPATH":
            wanted, had = value.split(os.pathsep), env.get(name, "").split(os.pathsep)
            new = [part for part in wanted if part not in had]
            parts = [*new, *had] if new[:1] == wanted[:1] else [*had, *new]
            env[name] = os.pathsep.join(part for part in parts if part)
        else:
            env[name] = value


def _summing_up(found: GatewayOfRun, context: Context) -> Callable[[], list[str]]:
    """Return what tells, once the command is done, what came through the gateway meanwhile, and
    what is to be known of builds for accelerators among it.
    """
    address, expected, before = found.address, found.expected, found.before
    started = time.monotonic()

    def summary() -> list[str]:
        seconds = time.monotonic() - started
        return summed_up(before, status(address, expected), seconds, context)

    return summary
