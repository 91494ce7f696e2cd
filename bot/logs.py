"""The process's log: one line an event, as JSON or text, on stderr, redacted like everything else.

Whatever else writes to stderr by itself (warnings, exceptions of threads and of destructors) is sent the same way.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import MutableMapping
from typing import Any

import structlog

from bot.redact import Redactor
from bot.settings import LogFormat, LogLevel


def configure(level: LogLevel, format: LogFormat, redactor: Redactor) -> None:
    """Sends our own log and the libraries' through the same redaction and the same form. Call once, at the start."""

    def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        internal = {key: value for key, value in event.items() if key in _INTERNAL}
        shown = {redactor.text(key): _redacted(value, redactor) for key, value in event.items() if key not in _INTERNAL}
        return shown | internal

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact,
    ]
    text = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    renderer = structlog.processors.JSONRenderer() if format is LogFormat.JSON else text
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
    logging.getLogger(_AUDIT).setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.unraisablehook = _unraisable
    threading.excepthook = _thread_died


def audit(action: str, **facts: Any) -> None:
    """One line of the audit trail, whatever the level of the log: ``audit``, with who did what."""
    _audit.info("audit", action=action, **{name: fact for name, fact in facts.items() if fact is not None})


_INTERNAL = frozenset({"_record", "_from_structlog"})
_log = structlog.get_logger(__name__)
_AUDIT = "bot.audit"
_audit = structlog.wrap_logger(logging.getLogger(_AUDIT), wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))


def _redacted(value: Any, redactor: Redactor) -> Any:
    """Redacted in the form that it will have on the line: what is no JSON is shown by its text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {redactor.text(str(key)): _redacted(item, redactor) for key, item in redactor.value(value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(item, redactor) for item in value]
    return redactor.text(value if isinstance(value, str) else str(value))


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    trace = (found.exc_type, found.exc_value, found.exc_traceback)
    _log.error("exception-ignored", where=repr(found.object), exc_info=trace)


def _thread_died(found: threading.ExceptHookArgs) -> None:
    trace = (found.exc_type, found.exc_value, found.exc_traceback)
    _log.error("thread-died", thread=found.thread.name if found.thread else "", exc_info=trace)


def _number(level: LogLevel) -> int:
    return logging.getLevelNamesMapping()[level.value.upper()]
