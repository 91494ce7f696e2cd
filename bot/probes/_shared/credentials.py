"""What answers with and without credentials mean, together with what the credentials say of themselves."""

from __future__ import annotations

import re
from datetime import datetime

from bot.clock import utc
from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.model.observation import Failure, HttpAnswer
from bot.probes._shared.dates import of_credentials
from bot.probes._shared.http import is_kubernetes, parsed, shown
from bot.probes._shared.words import ago

OUTCOMES = {
    "accepted": "the server accepts the credentials: it answers what it tells no stranger",
    "acceptance-not-shown": "the server answers, and not so that one could see whether it accepts the credentials",
    "credentials-rejected": "the server answers without the credentials and rejects them (401)",
    "token-rejected": "the server answers without our token and rejects it (401), and the token's own dates do not say why",
    "client-certificate-expired": "the server rejects our client certificate, which has expired",
    "token-expired": "the server rejects our token, which has expired",
    "authentication-refused": "the server takes no strangers and does not take our credentials either (401 both ways)",
    "permission-denied": "the server knows who we are and does not allow it (403)",
    "overloaded": "the server turns a request with our credentials away (429)",
    "unanswered": "the server answers its health and leaves a request with our credentials unanswered for 5 s",
    "credentials-missing": "no credentials are configured, and the server takes no requests without any (401)",
    "no-credentials": "no credentials are configured for this cluster",
    "credentials-unavailable": "the configured credentials cannot be had or used: a file is missing, the plugin fails",
    "unverified-peer": "the peer's certificate does not verify, so credentials are withheld",
    "deadline-capped": "the round's time was over before an answer could be expected",
    "not-reached": "a layer below fails at this address, or HTTP is not answered",
}
STATUS = {
    "accepted": Status.OK,
    "acceptance-not-shown": Status.INCONCLUSIVE,
    "deadline-capped": Status.INCONCLUSIVE,
    "not-reached": Status.NOT_APPLICABLE,
}
_USER = re.compile(r'[Uu]ser "([^"]*)"')
_ANONYMOUS = "system:anonymous"
_STRANGER = (401, 403)

# Read by strangers as well, by default.
_OPEN = ("/livez", "/readyz", "/healthz", "/version")

# The body may be cut, so it is not parsed.
_OBJECT = re.compile(r'"kind"\s*:\s*"')


class Tried(Value):
    """Two answers with credentials, one without, and what the credentials are."""

    asked: HttpAnswer
    live: HttpAnswer
    without: HttpAnswer
    about: Json


def judge(tried: Tried, now: datetime) -> tuple[str, str]:
    """The outcome and what is said of the address."""
    asked, live = tried.asked, tried.live
    if 401 in (asked.status, live.status):
        return _rejected(tried, now)
    if Failure.TLS_ALERT in (asked.failure, live.failure) and tried.without.status is not None:
        return "credentials-rejected", "ends TLS when it sees our client certificate, and answers without it"
    if asked.status == 403:
        user = user_of(asked)
        if user == _ANONYMOUS:
            return "credentials-rejected", "takes us for system:anonymous: it does not use the credentials"
        return "permission-denied", f"knows us as {user or 'a user'} and does not allow GET {asked.path}"
    if 429 in (asked.status, live.status):
        return "overloaded", "turns a request with our credentials away (429): it takes no more of them for now"
    if _proves(asked) or (tried.without.status in _STRANGER and live.status == 200 and is_kubernetes(live)):
        return "accepted", "accepts the credentials"
    if live.status == 200 and asked.failure is Failure.HTTP_TIMEOUT:
        return (
            "unanswered",
            f"answers its health, and GET {asked.path} with our credentials waits for over {asked.duration_s:.0f} s",
        )
    if asked.status is not None or live.status is not None:
        code = asked.status or live.status
        return "acceptance-not-shown", f"answers {code}, which does not show whether it accepts the credentials"
    if Failure.DEADLINE_CAPPED in (asked.failure, live.failure):
        return "deadline-capped", "had not answered a request with credentials when the round's time was over"
    return "not-reached", f"does not answer a request with credentials: {shown(asked)}"


def _proves(answer: HttpAnswer) -> bool:
    """Whether this is an API server's object, from a path that strangers get nothing from."""
    told = not answer.path.startswith(_OPEN) and answer.with_credentials
    return told and answer.status == 200 and _OBJECT.search(answer.body) is not None


def _rejected(tried: Tried, now: datetime) -> tuple[str, str]:
    expired = moment(tried.about, "not_after")
    if expired is not None and expired < now:
        certificate = tried.about.get("kind") == "client-certificate"
        outcome, noun = ("client-certificate-expired", "client certificate") if certificate else ("token-expired", "token")
        return outcome, f"rejects our {noun} (401): it expired {ago(now - expired)} ago, at {utc(expired)}"
    begins = moment(tried.about, "not_before")
    early = f"; they are valid from {utc(begins)} only" if begins is not None and begins > now else ""
    if tried.without.status is None or tried.without.status == 401:
        return "authentication-refused", f"answers 401 with our credentials, and takes no requests without any{early}"
    kind = tried.about.get("kind")
    outcome, noun = ("token-rejected", "token") if kind == "token" else ("credentials-rejected", "credentials")
    noun = "client certificate" if kind == "client-certificate" else noun
    return outcome, f"rejects our {noun} (401) and answers without ({tried.without.status}){early}"


def user_of(answer: HttpAnswer) -> str | None:
    """The user a 403 names."""
    found = _USER.search(str(parsed(answer).get("message", "")))
    return found.group(1) if found else None


def ends_soon(tried: Tried, now: datetime) -> str | None:
    """A warning where the credentials end soon."""
    return of_credentials(tried.about, moment(tried.about, "not_before"), moment(tried.about, "not_after"), now)


def moment(about: Json, key: str) -> datetime | None:
    """A date of the credentials' own, if they tell it."""
    text = about.get(key)
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def evidence(tried: Tried) -> Json:
    """The answers' codes, who the server takes us for, and what the credentials are."""
    return {
        "with_credentials": shown(tried.asked),
        "livez_with_credentials": shown(tried.live),
        "without_credentials": shown(tried.without),
        "path": tried.asked.path,
        "user": user_of(tried.asked),
        "credentials": tried.about,
    }
