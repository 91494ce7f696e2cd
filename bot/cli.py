"""The command line. Every command imports what it needs when it runs: ``--help`` and completion answer at once.

Exit status of ``investigate``: 0 healthy, 1 a cause was named, 2 inconclusive; of ``demo``: 0 when the verdict names the
rehearsed fault, else 1. Wrong usage or configuration is 3 everywhere, and says on stderr where, what, the nearest right
thing and what to run next.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Coroutine
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from bot.cli_playbooks import Folder, playbooks_app
from bot.cli_recognise import recognise
from bot.errors import ApidownError

if TYPE_CHECKING:
    from datetime import datetime

    from bot.app import Core
    from bot.demo.scenarios import Scenario
    from bot.model.events import Event
    from bot.model.investigation import Investigation
    from bot.model.recognised import Recognised
    from bot.ports import ClusterAccess
    from bot.render.terminal import Paint
    from bot.settings import Settings

T = TypeVar("T")
Full = Annotated[bool, typer.Option("--full", help="Print every step, every diagnosis line, and how to check what was not, too.")]
WRONG, DEFECT, INTERRUPTED, PIPE_CLOSED, TERMINATED = 3, 70, 130, 141, 143
"""Statuses that are no verdict: as shells and sysexits number them, where they do."""
_STDOUT = 1
_INTERRUPTED = "Interrupted; nothing is left behind."
app = typer.Typer(
    name="apidown",
    help="Finds out why a Kubernetes API server does not answer. It never changes anything.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(playbooks_app, name="playbooks")
app.command()(recognise)


class Output(StrEnum):
    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


@dataclass(frozen=True, kw_only=True)
class View:
    """How the result is shown."""

    output: Output
    full: bool


@dataclass(frozen=True, kw_only=True)
class Told:
    """What was told on the command line besides the cluster."""

    text: str = ""
    recognised: Recognised | None = None
    playbook: str | None = None
    since: datetime | None = None


class Listing(StrEnum):
    TEXT = "text"
    JSON = "json"


def main() -> None:
    """The ``apidown`` command."""
    from typer.exceptions import Abort, TyperException

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without some sign shows "?" for it; a defect it is not
    try:
        status = app(standalone_mode=False)
        sys.stdout.flush()
    except ApidownError as error:
        _fail(_redacted(str(error)))
    except (Abort, KeyboardInterrupt):
        _fail(_INTERRUPTED, status=INTERRUPTED)
    except (BrokenPipeError, SystemExit) as error:
        # The library ends with 1 when whoever read has enough, and that would read as a verdict.
        if not isinstance(error, BrokenPipeError) and not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), _STDOUT)
        sys.exit(PIPE_CLOSED)
    except TyperException as error:
        _fail(f"{error.format_message().replace('Value error, ', '')}\n  Next: {_help_of(error)}")
    except Exception:  # noqa: BLE001 - the boundary of the process: the status must not look like a verdict
        _fail(f"{_redacted(traceback.format_exc())}\napidown itself failed: please report what is above.", status=DEFECT)
    # The library makes a status of Ctrl-C and says nothing.
    if status == INTERRUPTED:
        _fail(_INTERRUPTED, status=INTERRUPTED)
    sys.exit(status or 0)


def _help_of(error: Exception) -> str:
    """The help of the command that was used wrongly."""
    words: list[str] = []
    context = getattr(error, "ctx", None)
    # The parser's own errors, such as an option without its value, do not say where they are.
    command = typer.main.get_command(app) if context is None else None
    for word in sys.argv[1:]:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        words.append(word)
    while context is not None and context.parent is not None:
        words.insert(0, str(context.info_name))
        context = context.parent
    return " ".join(["apidown", *words, "--help"])


def _redacted(text: str) -> str:
    """For what is printed when nothing may be set up yet, settings included."""
    from bot.redact import Redactor

    try:
        secrets = _settings().secrets()
    except ApidownError:
        secrets = ()
    return Redactor(secrets).text(text)


def _fail(text: str, *, status: int = WRONG) -> NoReturn:
    print(text, file=sys.stderr)
    sys.exit(status)


def _version(wanted: bool) -> None:
    from importlib.metadata import PackageNotFoundError, version

    if wanted:
        try:
            print(f"apidown {version('apidown')}")
        except PackageNotFoundError:
            print("apidown, from a folder that is not installed")
        raise typer.Exit


@app.callback()
def apidown(
    *, version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False
) -> None:
    """What all commands share: nothing but the version."""


@app.command()
def serve() -> None:
    """Run the Slack bot. Its settings are environment variables; see docs/settings.md."""
    from bot.app import serve as run
    from bot.logs import configure
    from bot.redact import Redactor

    settings = _settings()
    configure(settings.log_level, settings.log_format, Redactor(settings.secrets()))
    _run(run(settings), when_terminated=0)


@app.command()
def investigate(
    what: Annotated[
        list[str] | None, typer.Argument(help="A cluster, a server's URL or host:port, or the error line you see.")
    ] = None,
    *,
    cluster: Annotated[str | None, typer.Option(help="A cluster of the configuration file.")] = None,
    server: Annotated[str | None, typer.Option(help="A server's URL or host:port; it is probed without credentials.")] = None,
    kubeconfig: Annotated[Path | None, typer.Option(help="The kubeconfig to take server, CA and credentials from.")] = None,
    context: Annotated[str | None, typer.Option(help="The kubeconfig's context, if not its current one.")] = None,
    config: Annotated[Path | None, typer.Option(help="The configuration file, if not $APIDOWN_CONFIG.")] = None,
    playbook: Annotated[str | None, typer.Option(help="The playbook to follow, if not the one that the symptom selects.")] = None,
    since: Annotated[str | None, typer.Option(help="Since when it fails: 30m, 14:05 or 2026-11-20T14:05Z.")] = None,
    output: Annotated[Output, typer.Option(help="How the result is printed.")] = Output.TEXT,
    full: Full = False,
    folder: Folder = None,
) -> None:
    """Investigate now, without Slack: one thread in this terminal.

    Without arguments it is the kubeconfig's current cluster, as kubectl would take it. Exit status: 0 healthy, 1 a cause was
    named, 2 inconclusive, 3 wrong usage or configuration.
    """
    from bot.app import build_core
    from bot.cli_target import Wanted, access_to, configuration, what_was_pasted
    from bot.clock import SystemClock
    from bot.when import moment

    settings = _settings()
    clock = SystemClock()
    began = moment(since, clock.now()) if since else None
    configured = configuration(config, settings)
    wanted = Wanted(words=what or (), cluster=cluster, server=server, kubeconfig=kubeconfig, context=context)
    paste = what_was_pasted(wanted, configured, anyway=playbook is not None)
    access = access_to(wanted, configured, settings, paste)
    core = build_core(secrets=settings.secrets(), playbooks=folder or configured.playbooks)
    if playbook is not None:
        core.library.playbook_named(playbook)
    _log_to_stderr(settings)
    told = Told(text=" ".join(what or ()), recognised=paste.worth_saying if paste else None, playbook=playbook, since=began)
    _finish(core, access, View(output=output, full=full), told)


@app.command()
def demo(
    scenario: Annotated[str, typer.Argument(help="Which fault to rehearse; `apidown demo list` names them.")] = "refused",
    *,
    output: Annotated[Output, typer.Option(help="How the result is printed.")] = Output.TEXT,
    full: Full = False,
    folder: Folder = None,
) -> None:
    """Rehearse an outage: a loopback API server with one fault, through the same engine, the thread live in this terminal."""
    from bot.demo.scenarios import SCENARIOS, scenario_named

    if scenario == "list":
        width = max(map(len, SCENARIOS))
        print("\n".join(f"{one.name:<{width}}  {one.title}" for one in SCENARIOS.values()))
        return
    chosen = scenario_named(scenario)
    settings = _settings()
    _log_to_stderr(settings)
    _run(_rehearse(chosen, View(output=output, full=full), settings, folder))


async def _rehearse(scenario: Scenario, view: View, settings: Settings, folder: Path | None) -> None:
    import tempfile

    from bot.adapters.kubeconfig.access import from_kubeconfig
    from bot.app import build_core
    from bot.demo.scenarios import rehearse
    from bot.model.target import Endpoint

    core = build_core(playbooks=folder)
    async with rehearse(scenario) as rehearsal:
        with tempfile.TemporaryDirectory(prefix="apidown-demo-") as place:
            kubeconfig = Path(place) / "kubeconfig"
            kubeconfig.write_text(rehearsal.kubeconfig)
            access = from_kubeconfig(kubeconfig, None, settings)
            control = Endpoint(host="127.0.0.1", port=rehearsal.control_port)
            access = replace(access, cluster=access.cluster.model_copy(update={"controls": (control,)}))
            if view.output is Output.TEXT:
                print(f"Rehearsal {scenario.name}: {scenario.title}.\n")
            state = await _investigate(core, access, view, Told())
    named = state.diagnosis.causes[0].id if state.diagnosis and state.diagnosis.causes else "nothing"
    if view.output is Output.TEXT:
        right = "as it should" if named == scenario.cause else f"it should have been {scenario.cause}"
        print(f"\nThe rehearsed fault: {scenario.title}. The verdict names {named} first, {right}.")
    if named != scenario.cause:
        raise typer.Exit(1)


def _finish(core: Core, access: ClusterAccess, view: View, told: Told) -> None:
    from bot.model.diagnosis import Verdict

    state = _run(_investigate(core, access, view, told))
    verdict = state.diagnosis.verdict if state.diagnosis else Verdict.INCONCLUSIVE
    raise typer.Exit({Verdict.HEALTHY: 0, Verdict.CAUSE: 1, Verdict.INCONCLUSIVE: 2}[verdict])


async def _investigate(core: Core, access: ClusterAccess, view: View, told: Told) -> Investigation:
    """Runs it and prints it."""
    from bot.app import investigate_once
    from bot.cli_target import somebody
    from bot.model.events import Trigger
    from bot.recognise.wish import kept
    from bot.render import report, terminal

    live = view.output is Output.TEXT

    def show(event: Event, state: Investigation) -> None:
        for line in terminal.lines_for(event, state, paint=paint) if live else ():
            print(line, flush=True)

    paint = _paint()
    trigger = Trigger(kind="command-line", who=somebody(), text=kept(told.text), recognised=told.recognised)
    state = await investigate_once(core, access, trigger=trigger, on_event=show, playbook=told.playbook, since=told.since)
    if view.output is Output.JSON:
        print(json.dumps(report.as_json(state), indent=2, ensure_ascii=False))
    elif view.output is Output.MARKDOWN:
        print(report.as_markdown(state, core.clock.now()))
    else:
        print("\n" + terminal.summary(state, core.clock.now(), paint=paint, full=view.full))
    return state


@app.command()
def doctor(
    *,
    config: Annotated[Path | None, typer.Option(help="The configuration file, if not $APIDOWN_CONFIG.")] = None,
    output: Annotated[Listing, typer.Option(help="How the checks are printed.")] = Listing.TEXT,
) -> None:
    """Check an installation: settings, store, Slack, clusters; one line each, with what to do where something is wrong.

    It changes nothing, needs nothing to be up, and ends within 15 s. Exit status: 0 all is well, 1 something is to be mended
    or could not be looked at, 3 wrong usage.
    """
    import logging

    from bot.doctor.lines import all_is_well, as_json, as_text
    from bot.doctor.run import examine
    from bot.logs import configure
    from bot.redact import Redactor
    from bot.settings import LogFormat, LogLevel

    # What is wrong is said in the lines; the vendors' own complaints would stand between them.
    configure(LogLevel.ERROR, LogFormat.TEXT, Redactor())
    logging.getLogger().setLevel(logging.CRITICAL)
    lines = _run(examine(config))
    if output is Listing.JSON:
        print(json.dumps(as_json(lines), indent=2, ensure_ascii=False))
    else:
        print(as_text(lines, paint=_paint()))
    raise typer.Exit(0 if all_is_well(lines) else 1)


@app.command()
def init(
    *,
    kubeconfig: Annotated[Path | None, typer.Option(help="The kubeconfig to start from, if not $KUBECONFIG's.")] = None,
    context: Annotated[str | None, typer.Option(help="One context, if not all of them.")] = None,
    output: Annotated[Path, typer.Option(help="Where the configuration is written.")] = Path("apidown.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
) -> None:
    """Write a first configuration file from a kubeconfig, every key explained. Secrets stay in the kubeconfig."""
    import shlex

    from bot.first_config import find, text, write
    from bot.render.clean import one_line

    found = find([kubeconfig] if kubeconfig else _settings().kubeconfig_files, context)
    write(output, text(found.clusters), force=force)
    names = ", ".join(one.name for one in found.clusters)
    print(f"{output} has {names}. Nothing was copied out of the kubeconfig but names and paths.")
    for said in found.left_out:
        print(f"  Left out: {one_line(said)}")
    print(f"  Next: edit it, then apidown doctor --config {shlex.quote(str(output))}")


def _settings() -> Settings:
    from bot.settings import Settings

    return Settings.read()


def _log_to_stderr(settings: Settings) -> None:
    """On the command line the log is for defects only, unless more was asked for."""
    from bot.logs import configure
    from bot.redact import Redactor
    from bot.settings import LogFormat, LogLevel

    level = settings.log_level if "log_level" in settings.model_fields_set else LogLevel.WARNING
    configure(level, LogFormat.TEXT, Redactor(settings.secrets()))


def _paint() -> Paint:
    from bot.render.terminal import no_paint

    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return no_paint
    codes = {"ok": "32", "problem": "31;1", "doubt": "33", "dim": "2", "bold": "1"}
    return lambda text, style: f"\x1b[{codes[style]}m{text}\x1b[0m"


def _run(work: Coroutine[Any, Any, T], *, when_terminated: int = TERMINATED) -> T:
    """Runs to the end, or until SIGTERM or Ctrl-C, after which everything is handed over in order."""

    async def until_told() -> T:
        main = asyncio.current_task()
        assert main is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.cancel)
        return await work

    try:
        return asyncio.run(until_told())
    except asyncio.CancelledError:
        raise typer.Exit(when_terminated) from None


if __name__ == "__main__":
    main()
