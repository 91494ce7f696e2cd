"""What reaches stderr, seen from outside: a process of its own for each test, because logging is the process's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SECRET = "s3cret-value-of-ours"

BEGIN = f"""
import logging, sys, threading, warnings
import structlog
from bot.logs import configure
from bot.redact import Redactor
from bot.settings import LogFormat, LogLevel
SECRET = {SECRET!r}
configure(LogLevel(sys.argv[1]), LogFormat(sys.argv[2]), Redactor([SECRET]))
log = structlog.get_logger("bot.somewhere")
"""


def logged(program: str, *, format: str = "json", level: str = "info") -> str:
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program, level, format], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""
    return done.stderr


LEAKS = {
    "event": 'log.info(f"the event {SECRET}")',
    "value": 'log.info("x", value=SECRET)',
    "key": 'log.info("x", **{SECRET: 1})',
    "nested": 'log.info("x", value={"a": [(SECRET, {SECRET: SECRET})]})',
    "bytes": 'log.info("x", value=SECRET.encode())',
    "exception as a value": 'log.info("x", error=ValueError(SECRET), errors=(ValueError(SECRET),))',
    "exception": 'try:\n    raise ValueError(SECRET)\nexcept ValueError:\n    log.exception("x")',
    "chained exception": (
        "try:\n    try:\n        raise OSError(SECRET)\n    except OSError as error:\n        raise ValueError('y') from error\n"
        "except ValueError:\n    log.exception('x')"
    ),
    "exception group": "try:\n    raise ExceptionGroup('g', [ValueError(SECRET)])\nexcept* ValueError:\n    log.exception('x')",
    "library": 'logging.getLogger("somelib").warning("it sent %s", SECRET)',
    "library's object": 'logging.getLogger("somelib").warning("it sent %r", {"a": SECRET})',
    "library's exception": (
        "try:\n    raise ValueError(SECRET)\nexcept ValueError:\n    logging.getLogger('somelib').exception('it failed')"
    ),
    "library's extra": 'logging.getLogger("somelib").warning("x", extra={"header": SECRET})',
    "warning": "warnings.warn(f'deprecated {SECRET}')",
    "thread": (
        "def work():\n    raise ValueError(SECRET)\nthread = threading.Thread(target=work)\nthread.start()\nthread.join()"
    ),
    "destructor": "class A:\n    def __del__(self):\n        raise ValueError(SECRET)\na = A()\ndel a",
    "forgotten task": (
        "import asyncio, gc\nasync def fail():\n    raise ValueError(SECRET)\n"
        "async def main():\n    task = asyncio.ensure_future(fail())\n    await asyncio.wait([task])\n"
        "    del task\n    gc.collect()\nasyncio.run(main())"
    ),
}


@pytest.mark.parametrize("format", ["json", "text"])
@pytest.mark.parametrize("name", LEAKS)
def test_a_secret_never_reaches_stderr(name: str, format: str) -> None:
    shown = logged(LEAKS[name], format=format)
    assert SECRET not in shown
    if name != "library's extra":
        assert "[redacted]" in shown


def test_what_only_has_the_form_of_a_secret_goes_as_well() -> None:
    shown = logged('log.info("x", header="Authorization: Bearer 0123456789abcdef", url="redis://:pa55word@redis")')
    assert "0123456789abcdef" not in shown
    assert "pa55word" not in shown


def test_an_event_is_one_line_of_json_with_time_and_level() -> None:
    (line,) = logged('log.warning("store-unavailable", error="gone\\nfor good", count=2, none=None)').splitlines()
    entry = json.loads(line)
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "store-unavailable", "level": "warning", "error": "gone\nfor good", "count": 2, "none": None}


def test_an_exception_is_one_line_of_json_too() -> None:
    (line,) = logged("try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('x')").splitlines()
    assert "ZeroDivisionError" in json.loads(line)["exception"]


def test_libraries_are_heard_from_warnings_on_and_we_at_our_level() -> None:
    program = 'logging.getLogger("somelib").info("noise"); log.debug("detail"); log.info("news")'
    assert [json.loads(line)["event"] for line in logged(program).splitlines()] == ["news"]
    assert [json.loads(line)["event"] for line in logged(program, level="debug").splitlines()] == ["detail", "news"]
    assert logged(program, level="error") == ""


def test_text_has_no_escape_codes() -> None:
    assert "\x1b" not in logged('log.warning("x", error="y")', format="text")


def test_the_audit_trail_is_written_whatever_the_level_and_redacted() -> None:
    program = f'from bot.logs import audit\naudit("refused", who="U1", wanted={SECRET!r}, cluster=None)\nlog.info("quiet")'
    [line] = logged(program, level="error").splitlines()
    told = json.loads(line)
    assert (told["event"], told["action"], told["who"]) == ("audit", "refused", "U1")
    assert SECRET not in line
    assert "cluster" not in told
