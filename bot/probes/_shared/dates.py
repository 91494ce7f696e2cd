"""Certificates and tokens that end soon, said while they still work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cryptography import x509

from bot.clock import utc
from bot.model.base import Json
from bot.model.observation import PresentedCertificate
from bot.probes._shared.words import ago

SOON = timedelta(days=30)
_SHARE = 5
"""Who renews by himself does so before the last fifth of a life; what lives for a month is then no news for weeks."""
_LONG = timedelta(days=60)
"""Tokens of shorter lives come anew by themselves."""


def of_server(place: str, chain: Sequence[PresentedCertificate], ca_pem: str | None, now: datetime) -> str | None:
    """What ends first of what a server presents and of the configured authorities that may have signed it."""
    known = [("the certificate", one.not_before, one.not_after) for one in chain[:1]]
    known += [(f"{one.subject}, which signed the certificate,", one.not_before, one.not_after) for one in chain[1:]]
    known += _authorities(chain, ca_pem)
    soon = [(end, what) for what, begin, end in known if is_soon(begin, end, now)]
    if not soon:
        return None
    end, what = min(soon)
    return f"{place}: {what} ends in {ago(end - now)}, at {utc(end)}; without a new one every client that verifies it fails then."


def of_credentials(about: Json, begin: datetime | None, end: datetime | None, now: datetime) -> str | None:
    """A client certificate, or a token that lives long enough to be renewed by hand."""
    is_token = about.get("kind") != "client-certificate"
    if end is None or (is_token and (begin is None or end - begin < _LONG)) or not is_soon(begin, end, now):
        return None
    noun = "token" if is_token else "client certificate"
    return f"The {noun} that apidown is configured with ends in {ago(end - now)}, at {utc(end)}."


def is_soon(begin: datetime | None, end: datetime, now: datetime) -> bool:
    """Whether it ends within 30 days, and in the last part of its life."""
    span = SOON if begin is None else min(SOON, (end - begin) / _SHARE)
    return timedelta() < end - now <= span


def _authorities(chain: Sequence[PresentedCertificate], ca_pem: str | None) -> Iterator[tuple[str, datetime, datetime]]:
    """The configured authorities with the name that the last presented certificate gives its issuer."""
    if not chain or not ca_pem:
        return
    try:
        ours = x509.load_pem_x509_certificates(ca_pem.encode())
    except ValueError:
        return
    fitting = [one for one in ours if one.subject.rfc4514_string() == chain[-1].issuer]
    # Of an old and a new one that are both configured the newer decides.
    if fitting:
        newest = max(fitting, key=lambda one: one.not_valid_after_utc)
        name = newest.subject.rfc4514_string()
        yield f"the authority {name}", newest.not_valid_before_utc, newest.not_valid_after_utc
