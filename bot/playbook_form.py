"""The YAML form of playbooks and causes, judged against what the process can do.

``bot.playbook`` describes the form in words. Each check here stands at the key it is about, so that all mistakes of a file
come out of one pass, and a wrong probe name does not hide a wrong duration. Without a ``Known`` as context only the form
itself is checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StrictBool, ValidationInfo

from bot import template
from bot.document import did_you_mean
from bot.errors import UsageError
from bot.form import Duration, Form, ListOrOne, Text, Texts, wrong
from bot.model import playbook as model
from bot.model.answer import WEIGHABLE
from bot.model.base import Json
from bot.model.change import CHANGE_KINDS
from bot.model.diagnosis import CorrelationResult
from bot.model.vantage import VantageKind
from bot.registry import BOUNDARY_OUTCOMES, Registry


def _template(text: str) -> str:
    if mistake := template.check(text):
        raise wrong(*mistake)
    return text


def _identifier(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", text):
        better = "-".join(re.findall(r"[a-z0-9]+", text.lower())) or "etcd-slow"
        raise wrong(f"'{text}' is not an id: small letters, digits and single hyphens", f"did you mean '{better}'?")
    return text


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a file is judged against. ``stem`` is the file's name without its ending. ``steps`` are the ids of all playbooks'
    manual steps, ``probed`` those of the steps that have a probe."""

    registry: Registry
    causes: frozenset[str]
    stem: str = ""
    steps: frozenset[str] = frozenset()
    probed: frozenset[str] = frozenset()


def _known(info: ValidationInfo) -> Known | None:
    return info.context if isinstance(info.context, Known) else None


_LISTED = {
    "probe": "docs/probes.md lists them",
    "symptom": "docs/playbooks.md lists them",
    "kind of change": "docs/playbooks.md lists them",
    "cause": "apidown playbooks list",
    "manual step": "apidown playbooks show PLAYBOOK lists its steps; a manual one has no probe",
}


def _among(name: str, kind: str, known: Iterable[str]) -> str:
    options = sorted(known)
    if name not in options:
        few = f"it is one of {', '.join(options)}" if 0 < len(options) <= 12 else _LISTED.get(kind, "")
        raise wrong(f"there is no {kind} '{name}'", did_you_mean(name, options) or few)
    return name


def _probe(name: str, info: ValidationInfo) -> str:
    return _among(name, "probe", known.registry.probes) if (known := _known(info)) else name


def _symptom(name: str, info: ValidationInfo) -> str:
    known = _known(info)
    return _among(name, "symptom", known.registry.symptoms) if known and known.registry.symptoms else name


def _cause(name: str, info: ValidationInfo) -> str:
    return _among(name, "cause", known.causes) if (known := _known(info)) else name


def _step(name: str | None, info: ValidationInfo) -> str | None:
    known = _known(info)
    if name is None or known is None:
        return name
    if name in known.probed and name not in known.steps:
        raise wrong(f"the step '{name}' has a probe, and is no manual step", "write 'probe' and 'outcome' instead")
    return _among(name, "manual step", known.steps)


def _answer(answer: str | None, info: ValidationInfo) -> str | None:
    options = [option.value for option in WEIGHABLE]
    if answer is not None and answer not in options:
        raise wrong(f"there is no answer '{answer}'", did_you_mean(answer, options) or f"it is one of {', '.join(options)}")
    if (answer is None) != (info.data.get("step", "") is None) and "step" in info.data:
        what = "a line about a step says which answer counts" if answer is None else "'answer' belongs to a step"
        raise wrong(what, f"add 'answer': {' or '.join(options)}" if answer is None else "", instead_of=["answer"])
    return answer


def _own_id(name: str, info: ValidationInfo) -> str:
    if (known := _known(info)) and name != known.stem:
        raise wrong(f"the id '{name}' differs from the file's name", f"write '{known.stem}', or rename the file to {name}.yaml")
    return name


def _outcome(name: str, info: ValidationInfo) -> str:
    known, probe = _known(info), info.data.get("probe")
    if known and probe:
        declared = known.registry.probes[probe].outcomes
        if name not in declared and name not in BOUNDARY_OUTCOMES:
            near = did_you_mean(name, [*declared, *BOUNDARY_OUTCOMES]) or f"its outcomes are {', '.join(sorted(declared))}"
            raise wrong(f"the probe {probe} has no outcome '{name}'", near)
    return name


def _vantage(kind: VantageKind, info: ValidationInfo) -> VantageKind:
    known, probe = _known(info), info.data.get("probe")
    if known and probe and kind not in (can := known.registry.probes[probe].vantages):
        raise wrong(f"the probe {probe} cannot run from '{kind}'", f"it runs from {', '.join(can)}")
    return kind


def _without_probe(info: ValidationInfo) -> bool:
    """True when the mapping names no probe, as opposed to a wrong one, which is reported already."""
    return "probe" in info.data and info.data["probe"] is None


def _with(params: Json, info: ValidationInfo) -> Json:
    known, probe = _known(info), info.data.get("probe")
    if params and _without_probe(info):
        raise wrong("'with' belongs to a probe, and this is a manual step", instead_of=["probe"])
    if known and probe:
        try:
            known.registry.probes[probe].validate(params)
        except UsageError as error:
            raise wrong(error.what, error.nearest) from error
    return params


def _probe_or_manual(manual: str | None, info: ValidationInfo) -> str | None:
    if manual is None and _without_probe(info):
        raise wrong("a step is a probe or a manual check, and this is neither", "add 'probe' or 'manual'", instead_of=_EITHER)
    return manual


def _from(vantages: tuple[VantageKind, ...], info: ValidationInfo) -> tuple[VantageKind, ...]:
    if vantages != (VantageKind.BOT,) and _without_probe(info):
        raise wrong("'from' belongs to a probe, and this is a manual step", instead_of=["probe"])
    return vantages


def _widen(widen: timedelta | None, info: ValidationInfo) -> timedelta | None:
    directions = [direction.value for direction in model.Direction]
    # A direction that is given and wrong is not in the data; it is one all the same.
    given = [name for name in directions if name not in info.data or info.data[name]]
    if len(given) != 1:
        raise wrong("a window has one direction: before, after or around", "window: {before: 1h}", instead_of=directions)
    if widen and given[0] in info.data and widen <= info.data[given[0]]:
        raise wrong(f"'widen' is longer than '{given[0]}', and this is not")
    return widen


def _not_probe_too(value: str | None, info: ValidationInfo) -> str | None:
    """A line is about one thing: a probe's outcome, a change's result or a person's answer. A wrong one is one all the same."""
    before = _ABOUT[: _ABOUT.index(str(info.field_name))]
    other = next((kind for kind in before if kind not in info.data or info.data[kind] is not None), None)
    if value is not None and other is not None:
        raise wrong(f"a line of evidence is about a probe, a change or a step, and this is about a {other} already")
    return value


def _about_something(step: str | None, info: ValidationInfo) -> str | None:
    if step is None and all(kind in info.data and info.data[kind] is None for kind in ("probe", "change")):
        raise wrong("a line of evidence is about a probe, a change or a step, and this is about none", instead_of=_ABOUT)
    return _step(_not_probe_too(step, info), info)


def _needs_outcome(outcomes: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    if info.data.get("probe") and not outcomes:
        raise wrong("a line about a probe says which outcome counts", "add 'outcome'", instead_of=["outcome"])
    return _of_probe(outcomes, info)


def _of_probe(value: Any, info: ValidationInfo) -> Any:
    other = next((kind for kind in ("change", "step") if info.data.get(kind)), None)
    if value and _without_probe(info) and other:
        raise wrong(f"'outcome', 'from' and 'match' belong to a probe, and this line is about a {other}")
    return value


def _of_change(value: Any, info: ValidationInfo) -> Any:
    other = next((kind for kind in ("probe", "step") if info.data.get(kind)), None)
    if value and other:
        raise wrong(f"'result' belongs to a change, and this line is about a {other}")
    return value


_EITHER = ("probe", "manual")
_ABOUT = ("probe", "change", "step")

Id = Annotated[Text, AfterValidator(_identifier)]
OwnId = Annotated[Id, AfterValidator(_own_id)]
Template = Annotated[Text, AfterValidator(_template)]
ProbeId = Annotated[Text, AfterValidator(_probe)]
SymptomId = Annotated[Text, AfterValidator(_symptom)]
CauseId = Annotated[Text, AfterValidator(_cause)]
ChangeKindId = Annotated[Text, AfterValidator(lambda name: _among(name, "kind of change", CHANGE_KINDS))]
ProbeParams = Annotated[dict[str, Any], AfterValidator(_with), Field(validate_default=True)]
ProbeVantage = Annotated[VantageKind, AfterValidator(_vantage)]
Vantages = Annotated[tuple[ProbeVantage, ...], ListOrOne, Field(min_length=1, validate_default=True)]
Refs = Annotated[tuple[CauseId, ...], ListOrOne, Field(min_length=1)]


class SourceForm(Form):
    """The document a playbook carries out."""

    document: Text
    license: Text | None = None
    url: Text | None = None

    def value(self) -> model.Source:
        return model.Source(document=self.document, license=self.license, url=self.url)


class SelectsForm(Form):
    """What leads to the playbook when none was named."""

    symptoms: Annotated[tuple[SymptomId, ...], ListOrOne] = ()
    """Symptoms as the triage names them."""
    alerts: Texts = ()
    """Names of alerts."""

    def value(self) -> model.Selects:
        return model.Selects(symptoms=self.symptoms, alerts=self.alerts)


class CheckForm(Form):
    """A closing check: a probe, or something to do by hand."""

    id: Id
    title: Text
    """The good state, in one line."""
    source: Texts = ()
    """Items of the source document."""
    probe: ProbeId | None = None
    params: Annotated[ProbeParams, Field(alias="with")] = {}
    """The probe's parameters."""
    manual: Annotated[Template | None, AfterValidator(_probe_or_manual), Field(validate_default=True)] = None
    """What to do by hand; beside a probe: when the probe cannot look."""
    run: Template | None = None
    """A command to copy."""

    def value(self) -> model.Check:
        return model.Check(**_fields(self))


class StepForm(Form):
    """One thing the playbook does: a probe, or a manual check."""

    id: Id
    title: Text
    """The good state, in one line."""
    source: Texts = ()
    """Items of the source document."""
    probe: ProbeId | None = None
    params: Annotated[ProbeParams, Field(alias="with")] = {}
    """The probe's parameters."""
    vantages: Annotated[Vantages, AfterValidator(_from), Field(alias="from")] = (VantageKind.BOT,)
    """Kinds of vantage points to look from."""
    manual: Annotated[Template | None, AfterValidator(_probe_or_manual), Field(validate_default=True)] = None
    """What to do by hand; beside a probe: when the probe cannot look."""
    run: Template | None = None
    """A command to copy."""
    beside: StrictBool = False

    def value(self) -> model.Step:
        return model.Step(**_fields(self))


class WindowForm(Form):
    """The interval around the onset in which a change must lie: one of before, after, around."""

    before: Duration | None = None
    after: Duration | None = None
    around: Duration | None = None
    widen: Annotated[Duration | None, AfterValidator(_widen), Field(validate_default=True)] = None
    """A second, longer try. Left out: there is none."""

    def value(self) -> model.Window:
        direction = next(direction for direction in model.Direction if getattr(self, direction.value))
        return model.Window(direction=direction, length=getattr(self, direction.value), widen=self.widen)


class CorrelationForm(Form):
    """One diagnosis line: changes of these kinds near the onset."""

    id: Id
    title: Text
    source: Texts = ()
    changes: Annotated[tuple[ChangeKindId, ...], ListOrOne, Field(min_length=1)]
    subject: Text | None = None
    """What the change must be about, a glob."""
    window: WindowForm

    def value(self) -> model.CorrelationLine:
        return model.CorrelationLine(**_fields(self, window=self.window.value()))


class PlaybookForm(Form):
    """A playbook of apidown."""

    id: OwnId
    """The file's name without .yaml."""
    title: Text
    meaning: Text
    impact: Text
    always: StrictBool = False
    """True: the steps run in every investigation."""
    source: SourceForm | None = None
    selects: SelectsForm = SelectsForm()
    steps: Annotated[tuple[StepForm, ...], Field(min_length=1)]
    diagnosis: tuple[CorrelationForm, ...] = ()
    otherwise: tuple[CheckForm, ...] = ()

    def value(self) -> model.Playbook:
        return model.Playbook(
            id=self.id,
            title=self.title,
            meaning=self.meaning,
            impact=self.impact,
            always=self.always,
            source=self.source.value() if self.source else None,
            selects=self.selects.value(),
            steps=tuple(step.value() for step in self.steps),
            diagnosis=tuple(line.value() for line in self.diagnosis),
            otherwise=tuple(check.value() for check in self.otherwise),
        )


class EvidenceLineForm(Form):
    """A probe's outcome, a correlation's result or a person's answer to a manual step, and how much it says."""

    probe: ProbeId | None = None
    change: Annotated[ChangeKindId | None, AfterValidator(_not_probe_too)] = None
    step: Annotated[Text | None, AfterValidator(_about_something), Field(validate_default=True)] = None
    """A manual step of any playbook."""
    answer: Annotated[Text | None, AfterValidator(_answer), Field(validate_default=True)] = None
    """The answer to it that counts: looks-ok or found."""
    outcomes: Annotated[
        tuple[Annotated[Text, AfterValidator(_outcome)], ...],
        ListOrOne,
        AfterValidator(_needs_outcome),
        Field(alias="outcome", validate_default=True),
    ] = ()
    """The probe's outcomes that count; any of them."""
    result: Annotated[CorrelationResult | None, AfterValidator(_of_change)] = None
    """The correlation's result that counts; left out: match."""
    vantage: Annotated[ProbeVantage | None, AfterValidator(_of_probe), Field(alias="from")] = None
    """The kind of vantage point it must be seen from; left out: any."""
    match: Annotated[model.Match, AfterValidator(_of_probe)] = model.Match.ANY
    """How many of the probe's conclusive findings must have the outcome."""
    weight: model.Weight
    says: Text
    """The sentence shown when the line holds."""

    def value(self) -> model.EvidenceLine:
        result = (self.result or CorrelationResult.MATCH).value if self.change else None
        return model.EvidenceLine(**_fields(self, result=result))


class EvidenceForm(Form):
    """What speaks for the cause, and what against it."""

    supporting: Annotated[tuple[EvidenceLineForm, ...], Field(alias="for", min_length=1)]
    against: tuple[EvidenceLineForm, ...] = ()


class NextForm(Form):
    """What to do next."""

    say: Template
    run: Template | None = None
    """A command to copy."""


class SeparationForm(Form):
    """The check that tells this cause from others when they are tied."""

    others: Annotated[Refs, Field(alias="from")]
    """One cause or several."""
    check: Template
    run: Template | None = None
    """A command to copy."""


class CauseForm(Form):
    """A cause that apidown can name."""

    id: OwnId
    """The file's name without .yaml."""
    domain: model.Domain
    """Whom to call."""
    title: Text
    sentence: Text
    refines: CauseId | None = None
    """The broader cause that this one makes precise."""
    source: Texts = ()
    evidence: EvidenceForm
    next: tuple[NextForm, ...] = ()
    separated_by: tuple[SeparationForm, ...] = ()

    def value(self) -> model.Cause:
        return model.Cause(
            id=self.id,
            domain=self.domain,
            title=self.title,
            sentence=self.sentence,
            refines=self.refines,
            source=self.source,
            evidence_for=tuple(line.value() for line in self.evidence.supporting),
            evidence_against=tuple(line.value() for line in self.evidence.against),
            next=tuple(model.NextStep(**_fields(step)) for step in self.next),
            separations=tuple(model.Separation(**_fields(item)) for item in self.separated_by),
        )


def _fields(form: Form, **changed: Any) -> dict[str, Any]:
    """The keywords of the value that has the form's fields under the same names."""
    return {name: getattr(form, name) for name in type(form).model_fields} | changed
