"""Placeholders in the commands and sentences of playbooks and causes: this cluster's values, and nothing that computes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

PLACEHOLDERS: Mapping[str, str] = MappingProxyType(
    {
        "host": "the target's host name or address",
        "port": "the target's port",
        "server": "the server URL",
        "address": "the address a finding is about",
        "name": "the name that this machine resolves: the target's, or its proxy's",
        "proxy": "the HTTP proxy in front of the target, as host:port",
        "server_name": "the name that the certificate must be for",
        "cluster": "the cluster's name",
        "context": "the kubeconfig context",
        "namespace": "the namespace in question",
        "egress": "what the nodes must reach: the API server, and what the cluster's `provider` requires, each as host:port",
        "nodes": "the configured control-plane nodes, each as host:port, with spaces between",
    }
)
"""What ``fill`` knows, and what each stands for."""

_LISTS = frozenset({"nodes", "egress"})
_BRACE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_CONTEXT_FLAG = re.compile(r" --context[ =]\{context\}")
_COMMAND_SAFE = re.compile(r"[A-Za-z0-9._:/@%+=,\[\]-]+", re.ASCII)


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with its placeholders filled in. One whose value is not known reads ``<host>``, for the reader to fill."""
    return _BRACE.sub(lambda match: _filled(match, values), text)


def fill_command(text: str, values: Mapping[str, str]) -> str:
    """As ``fill``, for commands that people copy into a shell: a value with a character that a shell may interpret is not
    filled in, since host names come from pasted text as well. Without a kubeconfig there is no context, and no flag for it."""
    if not values.get("context"):
        text = _CONTEXT_FLAG.sub("", text)
    return fill(text, {name: value for name, value in values.items() if _is_safe(name, value)})


def _is_safe(name: str, value: str) -> bool:
    """Whether a shell takes the value as it is: as one word, or as several where there may be several."""
    words = value.split(" ") if name in _LISTS else [value]
    return all(_COMMAND_SAFE.fullmatch(word) for word in words)


def _filled(match: re.Match[str], values: Mapping[str, str]) -> str:
    name = match[1]
    if name is None:
        return match[0][0]
    return values.get(name) or f"<{name}>"


def check(text: str) -> tuple[str, str] | None:
    """What is wrong with a template, and the nearest right thing; None for a good one."""
    for match in _BRACE.finditer(text):
        if match[0] in ("{{", "}}") or match[1] in PLACEHOLDERS:
            continue
        if match[1] is None:
            return f"a single '{match[0]}' is not a placeholder", f"write '{match[0] * 2}' for a brace"
        near = get_close_matches(match[1], list(PLACEHOLDERS), n=1)
        hint = f"did you mean '{{{near[0]}}}'?" if near else "for a brace as such write '{{' or '}}'"
        return f"unknown placeholder {match[0]}", hint
    return None
