"""Checks a document against its form, a pydantic model, and says every mistake where it stands in the file.

Forms are what people write; the frozen values of ``bot.model`` are what the program uses. A form is closed, and lenient in
one way only: where a list is wanted a single text will do. A cross-check between two keys belongs to the validator of the
later one, which sees the earlier ones in ``info.data`` when they are right; so one mistake does not hide another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, StringConstraints, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from bot.document import Document, Loc, Problem, did_you_mean


class Form(BaseModel):
    """The base of all document models: closed, and by the names that are written in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


F = TypeVar("F", bound=Form)


def wrong(what: str, nearest: str = "", *, instead_of: Iterable[str] = ()) -> PydanticCustomError:
    """The error a form's validator raises. ``what`` and ``nearest`` are sentences for the reader; ``instead_of`` names keys
    whose absence is complained of, so that a misspelt one is reported once."""
    return PydanticCustomError("wrong", "{what}", {"what": what, "nearest": nearest, "instead_of": tuple(instead_of)})


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def parse_duration(value: Any) -> timedelta:
    """``90s``, ``2m``, ``1h30m``, ``2d`` as a positive timedelta."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not match[0]:
        raise wrong(f"{_quoted(value)} is not a duration", f"did you mean '{_near_duration(value)}'?")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if not length:
        raise wrong("a duration is longer than nothing", "write 90s, 2m, 1h30m or 2d")
    return length


_DURATION = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?", re.ASCII)
_UNITS = re.compile(r"\s*(\d{1,4})\s*([a-z]*)\s*", re.ASCII | re.IGNORECASE)


def _near_duration(value: Any) -> str:
    match = _UNITS.fullmatch(str(value))
    unit = (match[2][:1] or "m").lower() if match else ""
    return f"{match[1]}{unit}" if match and unit in "smhd" and int(match[1]) else "2m"


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""Text that says something; space around it is not part of it."""

_TEXTS = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}}]}
Texts = Annotated[tuple[Text, ...], BeforeValidator(_as_list), WithJsonSchema(_TEXTS)]
"""One text or a list of them."""

ListOrOne = BeforeValidator(_as_list)
"""Lets a single text stand for a list of one."""

Duration = Annotated[
    timedelta,
    PlainValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$", "minLength": 2}),
]
"""A length of time such as ``90s``, ``2m``, ``1h30m``, ``2d``."""


def validate(document: Document, form: type[F], context: Any = None) -> tuple[F | None, tuple[Problem, ...]]:
    """The document in this form, and everything that is wrong with it; with any problem the form is None.

    ``context`` is passed to the form's validators.
    """
    problems = list(document.problems)
    if not isinstance(document.data, dict):
        kind = "empty" if document.data is None else _kind(document.data)
        problems.append(document.problem(document.where(()), f"the file is {kind}; it holds keys with values"))
        return None, tuple(problems)
    try:
        result = form.model_validate(document.data, context=context)
    except ValidationError as error:
        problems += _explain(document, form, error.errors(include_url=False))
        return None, tuple(problems)
    return (None if problems else result), tuple(problems)


def _explain(document: Document, form: type[Form], errors: list[ErrorDetails]) -> list[Problem]:
    unknown = [error["loc"] for error in errors if error["type"] == "extra_forbidden"]
    suggested = {(loc[:-1], near) for loc in unknown if (near := _near_key(form, loc))}
    problems = []
    for error in errors:
        loc, context = error["loc"], error.get("ctx", {})
        if error["type"] == "missing" and (loc[:-1], loc[-1]) in suggested:
            continue
        # pydantic counts the good entries only; a list with a bad one in it is not empty.
        if error["type"] == "too_short" and error["input"]:
            continue
        if any((loc[:-1], key) in suggested for key in context.get("instead_of", ())):
            continue
        problems.append(_problem(document, form, error))
    return problems


def _problem(document: Document, form: type[Form], error: ErrorDetails) -> Problem:
    loc, kind, context, given = error["loc"], error["type"], error.get("ctx", {}), error["input"]
    name = next((str(part) for part in reversed(loc) if isinstance(part, str)), "the file")
    # pydantic marks what is wrong with a key itself in this way.
    here = document.where_key(loc[:-1]) if loc[-1:] == ("[key]",) else document.where(loc)
    if kind == "extra_forbidden":
        near, allowed = _near_key(form, loc), _keys(form, loc[:-1])
        nearest = f"did you mean '{near}'?" if near else f"the keys here are {', '.join(sorted(allowed))}" if allowed else ""
        return document.problem(document.where_key(loc), f"unknown key '{loc[-1]}'", nearest)
    if kind == "missing":
        return document.problem(document.where_key(loc[:-1]), f"the key '{name}' is missing")
    if kind == "wrong":
        return document.problem(here, context["what"], context["nearest"])
    if given is None:
        return document.problem(document.where_key(loc), f"'{name}' has no value", "write one after the colon")
    if kind in ("enum", "literal_error"):
        allowed = re.findall(r"'([^']*)'", context["expected"])
        nearest = did_you_mean(str(given), allowed) or f"it is one of {', '.join(allowed)}"
        return document.problem(here, f"{_quoted(given)} is not a value of '{name}'", nearest)
    what, nearest = _wanted(kind, given)
    owner = f"an entry of '{name}'" if loc and isinstance(loc[-1], int) else f"'{name}'"
    return document.problem(here, f"{owner} {what or error['msg'][:1].lower() + error['msg'][1:]}", nearest)


def in_words(error: ErrorDetails) -> str:
    """What is wrong with a value, in the reader's words, to follow its name."""
    what, _ = _wanted(error["type"], error["input"])
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "extra_forbidden":
        return "is not one of them"
    allowed = error.get("ctx", {}).get("expected") if error["type"] in ("enum", "literal_error") else None
    if allowed:
        return f"is one of {allowed}, not {_quoted(error['input'])}"
    return what or error["msg"][:1].lower() + error["msg"][1:].replace("Input ", "")


def _wanted(kind: str, given: Any) -> tuple[str, str]:
    """What pydantic's error means in the reader's words, after the key's name."""
    if kind == "string_type":
        scalar = isinstance(given, int | float)
        return f"should be text, not {_kind(given)}", f'write "{_plain(given)}", in quotes' if scalar else ""
    if kind.startswith("bool"):
        return f"should be true or false, not {_quoted(given)}", ""
    if kind.startswith("int"):
        return f"should be a whole number, not {_quoted(given)}", ""
    if kind in ("tuple_type", "list_type"):
        return f"should be a list, not {_kind(given)}", ""
    if kind in ("dict_type", "model_type", "model_attributes_type"):
        return f"should hold keys with values, not {_kind(given)}", ""
    if kind in ("string_too_short", "too_short"):
        return "is empty", ""
    return "", ""


def _near_key(form: type[Form], loc: Loc) -> str:
    near = did_you_mean(str(loc[-1]), _keys(form, loc[:-1]))
    return near.split("'")[1] if near else ""


def _keys(form: type[Form], loc: Loc) -> list[str]:
    """The keys that a mapping at this place may have."""
    current: Any = form
    for part in loc:
        current = _inside(current, part)
    model = _model(current)
    return [_name(name, info) for name, info in model.model_fields.items()] if model else []


def _inside(annotation: Any, part: str | int) -> Any:
    """The annotation of what a key or an index leads to; None when it leads nowhere."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {_name(name, info): info.annotation for name, info in annotation.model_fields.items()}
        return fields.get(str(part))
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return inner[1]
    if origin in (tuple, list):
        return inner[0]
    return next((found for option in inner if (found := _inside(option, part)) is not None), None)


def _name(name: str, info: Any) -> str:
    return info.alias or name


def _model(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as ``tuple[Step, ...]``, ``dict[str, Step]`` or ``Step | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model(part))), None)


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "keys with values"}
    return kinds.get(type(value), "something else")


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _quoted(value: Any) -> str:
    if not isinstance(value, str | int | float):
        return _kind(value)
    text = _plain(value)
    return f"'{text if len(text) <= 60 else text[:59] + '…'}'"
