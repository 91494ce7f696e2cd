"""``apidown recognise``: what pasted texts say, as JSON lines, for pipes and for other programs."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, NoReturn

import typer

from bot.errors import UsageError

_MOST_CHARACTERS = 1_000_000
_ONE = "give one JSON object a line, such as " + '{"id": 1, "text": "dial tcp 10.0.0.1:6443: i/o timeout"}'


def recognise(
    *,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Read one JSON object a line, with `text` and, if you like, an `id`, from stdin.")
    ] = False,
) -> None:
    """Say what a pasted text is about: a kubectl, client-go, kubelet, Terraform, Helm or curl error, or an alert's text.

    Reads stdin and prints one JSON line for the text, or with --jsonl for each line: `playbook` (or `none`), `symptom`,
    `address`, `confidence` and `why`, and the `id` of the line if it has one. Looks at nothing and asks nobody. A line that
    cannot be read gets `error` and `line` instead, is told on stderr, and loses nothing of the others.

    Exit status: 0 every text was read, 3 wrong usage or a line that could not be read.
    """
    if sys.stdin.isatty():
        print("Paste the text, then press Ctrl-D.", file=sys.stderr, flush=True)
    # Logs have bytes that are no text.
    stdin = io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8", errors="replace")
    if not jsonl:
        text = stdin.read(_MOST_CHARACTERS)
        if not text.strip():
            raise UsageError(
                "there is no text on stdin", next="paste it: apidown recognise <<< 'dial tcp 10.0.0.1:6443: i/o timeout'"
            )
        print(_line(_answer(text)))
        return
    wrong = 0
    for answer in _answers(stdin):
        print(_line(answer), flush=True)
        if "error" in answer:
            wrong += 1
            print(f"line {answer['line']}: {answer['error']}", file=sys.stderr)
    if wrong:
        raise UsageError(f"{wrong} of the lines could not be read", next=_ONE)


def _answers(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _of_line(line, number)


def _of_line(line: str, number: int) -> dict[str, Any]:
    try:
        given = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        return {"line": number, "error": f"this is not JSON: {str(error) or 'nested too deeply'}"}
    if not isinstance(given, dict) or not isinstance(given.get("text"), str):
        known = {"id": given["id"]} if isinstance(given, dict) and "id" in given else {}
        return {**known, "line": number, "error": "this is not a JSON object with a `text` that is a string"}
    return {**({"id": given["id"]} if "id" in given else {}), **_answer(given["text"])}


def _refuse(constant: str) -> NoReturn:
    """Python reads NaN and Infinity, which are no JSON: printed again with the answer, they would break whoever reads that."""
    raise ValueError(f"{constant} is no value")


def _answer(text: str) -> dict[str, Any]:
    from bot.recognise.pasted import recognise as read

    seen = read(text)
    return {
        "playbook": seen.playbook or "none",
        "symptom": seen.symptom,
        "address": seen.address,
        "confidence": seen.confidence.value,
        "why": seen.why,
    }


def _line(answer: dict[str, Any]) -> str:
    # A lone surrogate is valid in JSON and not in what is printed.
    return json.dumps(answer, ensure_ascii=False).encode("utf-8", errors="replace").decode()
