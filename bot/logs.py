"""The process's log: one line an event, as JSON or text, on stderr, redacted like everything else."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from bot.redact import Redactor
from bot.settings import LogFormat, LogLevel


def configure(level: LogLevel, format: LogFormat, redactor: Redactor) -> None:
    """Sends our own log and the libraries' through the same redaction and the same form. Call once, at the start."""

    def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: redactor.value(value) if isinstance(value, str | dict | list) else value for key, value in event.items()}

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    renderer = structlog.processors.JSONRenderer() if format is LogFormat.JSON else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(_number(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[remove, renderer], foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers = [handler]
    # Libraries are noisy below warning, and some log what they send.
    root.setLevel(max(_number(level), logging.WARNING))
    logging.getLogger("bot").setLevel(_number(level))


def _number(level: LogLevel) -> int:
    return logging.getLevelNamesMapping()[level.value.upper()]
