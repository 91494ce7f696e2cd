"""The part of the command line that is about playbooks and causes: for those who write them, and whoever wants to know
beforehand what would be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bot.playbook import Library

Folder = Annotated[Path | None, typer.Option(help="A folder of your own playbooks, on top of the installed ones.")]
playbooks_app = typer.Typer(help="The playbooks and causes: what is checked, and what can be named.", no_args_is_help=True)


@playbooks_app.command("list")
def playbooks_list(folder: Folder = None) -> None:
    """The playbooks and the causes, one a line."""
    library = _library(folder)
    for playbook in library.playbooks.values():
        always = "  (always)" if playbook.always else ""
        print(f"{playbook.id:<36}  {playbook.title}{always}")
    print()
    for cause in library.causes.values():
        print(f"{cause.id:<36}  {cause.domain.value:<14}  {cause.title}")


@playbooks_app.command("check")
def playbooks_check(
    path: Annotated[
        Path | None, typer.Argument(help="Your own playbook, or a folder of them, on top of the installed ones.")
    ] = None,
) -> None:
    """Check every playbook and cause at once; every mistake with file, line, column and the nearest right thing."""
    library = _library(path)
    print(f"{len(library.playbooks)} playbooks and {len(library.causes)} causes are valid.")


@playbooks_app.command("show")
def playbooks_show(id: Annotated[str, typer.Argument(help="A playbook's or a cause's id.")], folder: Folder = None) -> None:
    """One playbook or cause in words: what it looks at, in which windows, what it weighs."""
    from bot.document import did_you_mean
    from bot.errors import UsageError
    from bot.render.catalogue import cause_text, playbook_text

    library = _library(folder)
    if id in library.playbooks:
        print(playbook_text(library.playbooks[id]))
    elif id in library.causes:
        print(cause_text(library.causes[id]))
    else:
        near = did_you_mean(id, [*library.playbooks, *library.causes])
        raise UsageError(f"there is no playbook or cause '{id}'", nearest=near, next="apidown playbooks list")


def _library(folder: Path | None) -> Library:
    from bot.app import build_registry
    from bot.playbook import default_folder, load_library

    return load_library(default_folder(), build_registry(), folder)
