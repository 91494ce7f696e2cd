"""Tests that need more than Python say what they lack and skip; where APIDOWN_REQUIRE names their kind, they fail instead."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(kind: str, reason: str) -> NoReturn:
    """Skips the test, or fails it where this kind (lab, netns, redis, data) is required."""
    if kind in os.environ.get("APIDOWN_REQUIRE", "").split(","):
        pytest.fail(f"{kind} is required here: {reason}", pytrace=False)
    pytest.skip(f"{kind}: {reason}")
