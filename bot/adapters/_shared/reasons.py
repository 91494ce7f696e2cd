"""Why a request by aiohttp failed, in words that may be shown."""

from __future__ import annotations

import aiohttp

_LIMIT = 300


def reason(error: Exception) -> str:
    """The error in words, where it has some. A refusal's own words have the URL in them, and a proxy's may have a password."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{error.status} {error.message}"[:_LIMIT]
    return str(error)[:_LIMIT] or type(error).__name__
