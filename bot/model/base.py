"""What every value of the model has in common: frozen, strict, closed, and the same in Python, Redis and JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from bot.clock import stamp, to_milliseconds


class Value(BaseModel):
    """A frozen value. Made from keywords in Python (strictly typed) or from JSON; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_enum_values=False, ser_json_inf_nan="null")


def _parse(moment: Any) -> Any:
    return datetime.fromisoformat(moment) if isinstance(moment, str) else moment


Moment = Annotated[
    datetime,
    BeforeValidator(_parse),
    AfterValidator(to_milliseconds),
    PlainSerializer(stamp, return_type=str, when_used="json"),
]
"""A point in time: UTC, whole milliseconds, never naive; in JSON ``2026-11-20T14:03:22.123Z``."""

Json = dict[str, Any]
"""A JSON object: strings, numbers, booleans, None, lists and objects of the same. Evidence travels in this form."""
