"""Tests that need more than Python say what they lack and skip; where APIDOWN_REQUIRE names their kind, they fail instead."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def required(kind: str) -> bool:
    """Whether a test may not go without this kind (lab, netns, prometheus, redis, data, helm)."""
    return kind in os.environ.get("APIDOWN_REQUIRE", "").split(",")


def missing(kind: str, reason: str) -> NoReturn:
    """Skips the test, or fails it where this kind is required."""
    if required(kind):
        pytest.fail(f"{kind} is required here: {reason}", pytrace=False)
    pytest.skip(f"{kind}: {reason}")
