"""Loads playbooks and causes: the YAML that on-call engineers edit, checked all at once and never half used.

A playbook is ``playbooks/<id>.yaml``, a cause ``playbooks/causes/<id>.yaml``; the file's name is the id. Both are closed:
a key that is not listed here is a mistake. Keys marked ? may be left out.

.. code-block:: yaml

    id: connection-refused
    title: Connection refused - control plane
    meaning: What it is, shown on request.
    impact: What stops working.
    always?: true                 # its steps run in every investigation, beside the selected playbook's
    source?: {document: "000", license?: CC-BY-4.0, url?: https://…}
    selects?: {symptoms?: [connection-refused], alerts?: [KubeAPIDown]}   # a symptom is in one playbook only
    steps:                        # ids are unique among steps and otherwise, those of the "always" playbooks included
      - id: apiserver-pods
        title: API server pods run in kube-system        # the good state
        source?: 000/playbook/1                          # one or a list
        probe: apiserver-pods                            # a probe …
        with?: {namespace: kube-system}                  # its parameters
        from?: [bot, control-plane]                      # one or a list of vantage kinds; left out: bot
        manual?: Look at the pods on the node itself.    # what to do by hand when the probe cannot look
        run?: crictl ps --name kube-apiserver
        beside?: true                                    # the first verdict does not wait for it, and is revised by it
      - id: network-team
        title: Nobody is working on the load balancer
        manual: Ask the network team.                    # … or a manual step: no probe, no with, no from
        run?: a command to copy
    diagnosis?:
      - id: apiserver-restart
        title: API server pods restart within 2 minutes of the first errors
        source?: 000/diagnosis/1
        changes: [pod-restart]                           # one or a list of the kinds in bot.model.change.CHANGE_KINDS
        subject?: kube-system/kube-apiserver*            # a glob
        window: {around: 2m, widen?: 5m}                 # before | after | around the onset; widen is longer
    otherwise?:                   # closing checks: as steps, without from
      - {id: dns, title: The name resolves, source?: 000/otherwise/1, probe: dns-lookup, with?: {}, manual?: …, run?: …}

.. code-block:: yaml

    id: apiserver-not-running
    domain: process
    title: The API server is not running
    sentence: Nothing listens on the API server's port.
    refines?: another-cause
    source?: [000/cause/2]
    evidence:
      for:
        - probe: tcp-connect
          outcome: connection-refused                    # one or a list of the probe's outcomes
          from?: bot                                     # one vantage kind; left out: any
          match?: all                                    # any (default) | all | none | mixed
          weight: strong                                 # decisive 8 | strong 3 | weak 1
          says: Every address refuses the connection.
        - change: static-pod-manifest
          result?: match                                 # match (default) | match-after-widening | no-match | not-checked
          weight: weak
          says: The manifest changed just before.
        - step: kubelet-state                            # a manual step of any playbook
          answer: found                                  # looks-ok | found: what a person said of it
          weight: strong
          says: The kubelet does not run.
      against?: []                                       # lines of the same form
    next?: [{say: Look whether the container exists, run?: crictl ps -a --name kube-apiserver}]
    separated_by?:
      - {from: firewall-reject, check: Connect from the node itself, run?: "curl -k https://127.0.0.1:{port}/livez"}

Durations are ``90s``, ``2m``, ``1h``, ``1h30m``, ``2d``. ``manual``, ``run``, ``say`` and ``check`` may use the
placeholders ``{host} {port} {server} {address} {name} {proxy} {server_name} {cluster} {context} {namespace} {nodes} {egress}``;
a brace as such is ``{{`` or ``}}``.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from pydantic.json_schema import models_json_schema

from bot.document import Document, DocumentErrors, Loc, Position, Problem, did_you_mean, read
from bot.errors import UsageError
from bot.form import validate
from bot.model.playbook import Cause, Playbook
from bot.playbook_form import CauseForm, Known, PlaybookForm
from bot.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Library:
    """All playbooks and causes of one process, by id, checked against its registry."""

    playbooks: Mapping[str, Playbook] = field(default_factory=lambda: MappingProxyType({}))
    causes: Mapping[str, Cause] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def always(self) -> tuple[Playbook, ...]:
        """The playbooks whose steps run in every investigation."""
        return tuple(playbook for playbook in self.playbooks.values() if playbook.always)

    def playbook_named(self, id: str) -> Playbook:
        """The playbook a person named; raises UsageError with the nearest id."""
        found = self.playbooks.get(id)
        if found and not found.always:
            return found
        names = sorted(playbook.id for playbook in self.playbooks.values() if not playbook.always)
        known = f"those that can be named are {', '.join(names) or 'none'}"
        what = f"the playbook '{id}' runs in every investigation" if found else f"there is no playbook '{id}'"
        raise UsageError(what, nearest=did_you_mean(id, names) or known, next="apidown playbooks list")


def default_folder() -> Path:
    """The playbooks that come with apidown: the data folder beside the ``bot`` package, in a checkout and in a wheel. It is
    not imported: a folder of that name in the working directory must not take its place."""
    return Path(__file__).resolve().parent.parent / "playbooks"


def load_library(folder: Path, registry: Registry, extra: Path | None = None) -> Library:
    """Loads and judges every playbook and cause of a folder, and of a second one of the same layout, or of one file.

    A file in ``extra`` replaces the one of the same name. Raises DocumentErrors with all mistakes of all files.
    """
    problems = [_no_folder(place) for place in (folder, extra) if place and not place.exists()]
    playbook_files = _files(folder, extra, "", problems)
    cause_files = _files(folder, extra, "causes", problems)
    known = frozenset(cause_files)
    playbooks = _load(playbook_files, PlaybookForm, Known(registry=registry, causes=known), problems)
    manual, probed = _steps_by_kind(document for document, _ in playbooks.values())
    judge = Known(registry=registry, causes=known, steps=manual, probed=probed)
    causes = _load(cause_files, CauseForm, judge, problems)
    problems += _repeated_ids(playbooks)
    problems += _repeated_selections(playbooks)
    problems += _refinement_cycles(causes)
    if problems:
        raise DocumentErrors(problems, next=_todo(extra))
    return Library(
        playbooks=MappingProxyType({name: form.value() for name, (_, form) in playbooks.items() if form}),
        causes=MappingProxyType({name: form.value() for name, (_, form) in causes.items() if form}),
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of both forms, for editors: a file with ``evidence`` is a cause, any other a playbook."""
    refs, definitions = models_json_schema([(PlaybookForm, "validation"), (CauseForm, "validation")])
    playbook, cause = refs[(PlaybookForm, "validation")], refs[(CauseForm, "validation")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A playbook or a cause of apidown",
        "if": {"required": ["evidence"]},
        "then": cause,
        "else": playbook,
        **definitions,
    }


def schema_text() -> str:
    """The content of ``playbooks/schema.json``: ``python -c "from bot.playbook import *; print(schema_text(), end='')"``."""
    return json.dumps(schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


F = TypeVar("F", PlaybookForm, CauseForm)
_Loaded: TypeAlias = dict[str, tuple[Document, F | None]]


def _todo(extra: Path | None) -> str:
    if extra is not None and not extra.exists():
        return "give a folder or a file of your own; apidown playbooks list shows what is installed"
    return f"mend it, then apidown playbooks check{f' {shlex.quote(str(extra))}' if extra else ''}"


def _no_folder(folder: Path) -> Problem:
    return Problem(where=Position(file=str(folder)), what="there is no playbook and no folder of playbooks here")


def _files(folder: Path, extra: Path | None, inner: str, problems: list[Problem]) -> dict[str, Path]:
    files: dict[str, Path] = {}
    for place in (folder, extra):
        for path in _yaml_files(place, inner) if place else ():
            if path.suffix == ".yaml":
                files[path.stem] = path
            else:
                what = "this file is not read: its name does not end in .yaml"
                problems.append(Problem(where=Position(file=str(path)), what=what, nearest=f"rename it to {path.stem}.yaml"))
    return dict(sorted(files.items()))


def _yaml_files(place: Path, inner: str) -> list[Path]:
    """The files of a folder's part; of a file, itself, if its own folder says that it belongs to this part."""
    if place.is_file():
        return [place] if (place.absolute().parent.name == "causes") == (inner == "causes") else []
    return sorted((place / inner).glob("[!.]*.y*ml"))


def _load(files: Mapping[str, Path], form: type[F], known: Known, problems: list[Problem]) -> _Loaded[F]:
    loaded: _Loaded[F] = {}
    for stem, path in files.items():
        try:
            document = read(path)
        except DocumentErrors as error:
            problems += error.problems
            continue
        result, found = validate(document, form, replace(known, stem=stem))
        problems += found
        loaded[stem] = (document, result)
    return loaded


def _ids(document: Document) -> Iterator[tuple[str, str, Loc]]:
    """What ids must differ from each other, from the raw data, so that other mistakes do not hide a repeated id."""
    data = document.data if isinstance(document.data, dict) else {}
    for key, group in (("steps", "step"), ("otherwise", "step"), ("diagnosis", "diagnosis line")):
        entries = data.get(key)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict) and isinstance(entry.get("id"), str):
                yield group, entry["id"], (key, index, "id")


def _repeated_ids(playbooks: _Loaded[PlaybookForm]) -> Iterator[Problem]:
    common: dict[tuple[str, str], Position] = {}
    # The ones that always run come first, so that a clash is shown in the playbook that was added to them.
    for _, (document, _) in sorted(playbooks.items(), key=lambda item: (not _always(item[1][0]), item[0])):
        own: dict[tuple[str, str], Position] = {}
        for group, name, loc in _ids(document):
            here = document.where(loc)
            if first := own.get((group, name)):
                yield document.problem(here, f"the {group} '{name}' is there already, in line {first.line}")
            elif first := common.get((group, name)):
                what = f"the {group} '{name}' is also in {first}, which always runs beside this playbook"
                yield document.problem(here, what)
            own.setdefault((group, name), here)
        if _always(document):
            common = own | common


def _steps_by_kind(documents: Iterable[Document]) -> tuple[frozenset[str], frozenset[str]]:
    """Ids of manual steps and of those with a probe, from the raw data, so that another mistake in a playbook is not reported
    as a step that a cause names in vain."""
    kinds: dict[bool, set[str]] = {True: set(), False: set()}
    for document in documents:
        for entry in (entry for key in ("steps", "otherwise") for entry in _raw(document, key, list)):
            if isinstance(entry, dict) and isinstance(entry.get("id"), str):
                kinds["probe" in entry].add(entry["id"])
    return frozenset(kinds[False]), frozenset(kinds[True])


K = TypeVar("K", dict[str, Any], list[Any], str)


def _raw(document: Document, key: str, kind: type[K]) -> K:
    """A key's value from the raw data, so that other mistakes do not hide one between files; an empty one if it is wrong."""
    value = document.data.get(key) if isinstance(document.data, dict) else None
    return value if isinstance(value, kind) else kind()


def _always(document: Document) -> bool:
    return isinstance(document.data, dict) and document.data.get("always") is True


def _repeated_selections(playbooks: _Loaded[PlaybookForm]) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for stem, (document, _) in playbooks.items():
        names = _raw(document, "selects", dict).get("symptoms")
        for index, name in enumerate(names if isinstance(names, list) else [names]):
            other = taken.setdefault(name, stem) if isinstance(name, str) else stem
            if other != stem:
                where = document.where(("selects", "symptoms", index))
                yield document.problem(where, f"'{name}' selects the playbook {other} already")


def _refinement_cycles(causes: _Loaded[CauseForm]) -> Iterator[Problem]:
    broader = {stem: above for stem, (document, _) in causes.items() if (above := _raw(document, "refines", str))}
    for stem in broader:
        chain = [stem]
        while (above := broader.get(chain[-1])) and above not in chain:
            chain.append(above)
        if above == stem:
            document = causes[stem][0]
            yield document.problem(document.where(("refines",)), f"a cause refines itself: {' > '.join([*chain, stem])}")
