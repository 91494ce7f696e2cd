"""What a TLS handshake and the experiments beside it mean; pure, so that every combination can be tested.

One silent handshake has four causes. Three experiments tell them apart without any rights on the way: a plain HTTP
request to the TLS port (a Go server that still accepts answers it), a handshake in small segments (works when large
packets vanish), and a handshake without ALPN (works when a middlebox dislikes ALPN).
"""

from __future__ import annotations

import ipaddress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from cryptography import x509

from bot.clock import stamp, utc
from bot.model.base import Json, Value
from bot.model.observation import (
    CERTIFICATE_FAILURES,
    Failure,
    Handshake,
    HttpAnswer,
    Observation,
    Plaintext,
    PresentedCertificate,
)
from bot.model.target import Target
from bot.probes._shared.words import ago, listed, took

# Failures that the experiments can explain; an unknown authority needs only the plaintext one, but they run side by side.
EXPLAINABLE = frozenset(
    {
        Failure.TLS_TIMEOUT,
        Failure.TLS_CLOSED,
        Failure.TLS_RESET,
        Failure.TLS_ALERT,
        Failure.CERTIFICATE_UNKNOWN_AUTHORITY,
    }
)
_UNANSWERED = frozenset({None, Failure.HTTP_TIMEOUT, Failure.HTTP_CLOSED, Failure.HTTP_RESET})
DATED = frozenset({Failure.CERTIFICATE_EXPIRED, Failure.CERTIFICATE_NOT_YET_VALID})


OUTCOMES = {
    "verified": "the certificate's chain, name and dates are right",
    "certificate-expired": "a certificate of the chain has expired",
    "certificate-not-yet-valid": "a certificate of the chain is not valid yet",
    "certificate-name-mismatch": "the certificate is for other names",
    "certificate-unknown-authority": "the certificate is signed by an authority that is not the configured one",
    "certificate-authority-rebuilt": "the signing authority has the configured one's name and another key",
    "certificate-namesake": "the signing authority has the configured one's name and another key, and nothing in the certificate "
    "tells whether it is this cluster: what was asked is a private address, or a name that every cluster has",
    "certificate-unidentified": "it is signed by another authority than the configured one, and nothing in it tells "
    "whether it is this cluster",
    "tls-intercepted": "something that is not an API server presents its own certificate",
    "authority-not-known": "nobody said which authority signs for this server, and this machine's own do not",
    "certificate-invalid": "the certificate is not acceptable for another reason",
    "clocks-disagree": "the certificate is valid by the server's clock and not by this one",
    "certificate-foreign": "another authority signed the certificate, and it is for other names: another server answers",
    "comes-and-goes": "some handshakes work and others fail",
    "tls-silent": "TLS, plain text and small segments all stay unanswered",
    "tls-large-packets-lost": "the handshake works in small segments and hangs in normal ones",
    "tls-silent-but-listening": "a plain request is answered, every form of handshake hangs",
    "tls-reset-but-listening": "a plain request is answered as the API server does, every form of handshake is reset",
    "alpn-rejected": "the handshake works without ALPN and fails with it",
    "tls-closed": "the connection is closed when TLS begins",
    "tls-reset": "the connection is reset when TLS begins",
    "tls-alert": "the server refuses the handshake with an alert",
    "not-tls": "what answers does not speak TLS",
    "plain-http-target": "the server is configured with plain http",
    "local-failure": "this machine cannot try: the configured CA bundle or name cannot be used",
    "deadline-capped": "the round's time was over before an answer could be expected",
    "not-reached": "the layer below fails at this address",
}


class Seen(Value):
    """All that was tried at one address. ``again`` are further handshakes that differ from the normal one in nothing that
    matters; ``bare`` is one without ALPN, ``old`` one that offers http/1.1 alone; ``dated`` is an answer whose Date header
    tells the server's time."""

    normal: Handshake
    again: tuple[Handshake, ...] = ()
    plain: Plaintext | None = None
    small: Handshake | None = None
    bare: Handshake | None = None
    old: Handshake | None = None
    dated: HttpAnswer | None = None


class Verdict(Value):
    """An outcome and its sentence, to which the address is put in front."""

    outcome: str
    says: str


def judge(seen: Seen, target: Target, now: datetime) -> Verdict:
    """The outcome at one address."""
    normal = seen.normal
    if normal.failure is None:
        return Verdict(outcome="verified", says=_verified(normal, now))
    if normal.failure in CERTIFICATE_FAILURES:
        return _certificate(seen, normal.failure, target, now)
    if normal.failure in EXPLAINABLE:
        return _unfinished(seen, normal.failure)
    if normal.failure is Failure.NOT_TLS:
        return Verdict(outcome="not-tls", says="answers, but not with TLS")
    if normal.failure is Failure.DEADLINE_CAPPED:
        return Verdict(outcome="deadline-capped", says="had not finished the TLS handshake when the round's time was over")
    if normal.failure is Failure.LOCAL_FAILURE:
        return Verdict(
            outcome="local-failure", says=f"cannot be verified by this machine: {normal.raw_error or 'no reason given'}"
        )
    return Verdict(outcome="comes-and-goes", says=f"took one connection and then failed another: {normal.failure.value}")


def _unfinished(seen: Seen, failure: Failure) -> Verdict:
    """Neither verified nor unverified: the handshake itself did not get through.

    What an experiment seems to show is only chance where the normal handshake works the next time.
    """
    sized = _through(seen.small)
    if any(map(_through, seen.again)) or (sized and (_through(seen.bare) or failure is not Failure.TLS_TIMEOUT)):
        says = f"fails some TLS handshakes ({failure.value}) and completes others: it is unsteady, or several servers share it"
        return Verdict(outcome="comes-and-goes", says=says)
    if _through(seen.bare) or _through(seen.old):
        return Verdict(outcome="alpn-rejected", says=_alpn(bare=_through(seen.bare), old=_through(seen.old)))
    if failure is Failure.TLS_CLOSED:
        return Verdict(outcome="tls-closed", says="accepts the connection and closes it when TLS begins")
    if failure is Failure.TLS_RESET and _only_handshakes_are_reset(seen):
        says = "answers a plain request as API servers do, and every form of TLS handshake is reset, by something on the way"
        return Verdict(outcome="tls-reset-but-listening", says=says)
    if failure is Failure.TLS_RESET:
        return Verdict(outcome="tls-reset", says="accepts the connection and resets it when TLS begins")
    if failure is Failure.TLS_ALERT:
        return Verdict(outcome="tls-alert", says="refuses the TLS handshake with an alert")
    if sized:
        return Verdict(
            outcome="tls-large-packets-lost", says="completes TLS in small packets only; large packets get lost on the way"
        )
    if seen.plain is not None and seen.plain.is_go_tls_server:
        return Verdict(
            outcome="tls-silent-but-listening", says="answers a plain request, but every form of TLS handshake stays unanswered"
        )
    tried = (seen.normal, seen.plain, seen.small, seen.bare, seen.old, *seen.again)
    if any(one is not None and one.capped for one in tried):
        return Verdict(outcome="deadline-capped", says="is silent in TLS, and the round's time was over before all was tried")
    return Verdict(
        outcome="tls-silent", says=f"accepts TCP but sends nothing: TLS stays unanswered for {took(seen.normal.duration_s)}"
    )


def _alpn(*, bare: bool, old: bool) -> str:
    """Which forms of ALPN pass."""
    if bare and old:
        return "completes TLS handshakes without ALPN and with http/1.1 alone; something rejects ALPN for h2"
    if old:
        return "completes TLS handshakes that offer http/1.1 alone; something rejects h2, and handshakes without ALPN"
    return "completes TLS handshakes without ALPN only; something rejects ALPN"


def _only_handshakes_are_reset(seen: Seen) -> bool:
    """What answers in plain text says itself that it speaks TLS, so it is not what resets every handshake."""
    handshakes = (seen.small, seen.bare, seen.old, *seen.again)
    reset = all(one is not None and one.failure is Failure.TLS_RESET for one in handshakes)
    return reset and seen.plain is not None and seen.plain.is_go_tls_server


def _certificate(seen: Seen, failure: Failure, target: Target, now: datetime) -> Verdict:
    leaf = seen.normal.chain[0] if seen.normal.chain else None
    if failure in DATED:
        return _dates(seen, failure, now)
    names = listed([*leaf.dns_names, *leaf.ip_names]) or "no name" if leaf else "other names"
    elsewhere = leaf is not None and not names_server(leaf, target.server_name)
    # An authority that nobody named proves nothing; a name that does not fit does, whoever signed it.
    if failure is Failure.CERTIFICATE_NAME_MISMATCH or (elsewhere and not target.authority_known):
        says = f"presents a certificate for {names}, not for {target.server_name}"
        return Verdict(outcome=Failure.CERTIFICATE_NAME_MISMATCH.value, says=says)
    if failure is not Failure.CERTIFICATE_UNKNOWN_AUTHORITY:
        return Verdict(
            outcome="certificate-invalid", says=f"presents an invalid certificate: {seen.normal.raw_error or 'no reason'}"
        )
    issuer = seen.normal.chain[-1].issuer if seen.normal.chain else "an unknown issuer"
    if elsewhere:
        says = f"presents a certificate of {issuer} for {names}: both are another server's, not {target.server_name}'s"
        return Verdict(outcome="certificate-foreign", says=says)
    told = leaf is None or identifies(target.server_name)
    unsaid = "" if told else f"; that it is for {target.server_name} does not tell one cluster from another"
    if _same_name_other_key(seen.normal.chain, target.ca_pem):
        says = f"presents a certificate of {issuer}, which has the name of the configured authority and another key"
        return Verdict(outcome="certificate-authority-rebuilt" if told else "certificate-namesake", says=says + unsaid)
    if not target.authority_known:
        says = f"presents a certificate of {issuer}; its authority is not known here, so that proves nothing"
        return Verdict(outcome="authority-not-known", says=says)
    if _foreign(seen):
        says = f"presents a certificate of {issuer} and does not behave like an API server; something intercepts TLS"
        return Verdict(outcome="tls-intercepted", says=says)
    whose = "the configured authority" if target.ca_pem else "an authority this machine trusts"
    says = f"presents a certificate of {issuer}, which is not signed by {whose}{unsaid}"
    return Verdict(outcome=failure.value if told else "certificate-unidentified", says=says)


def _foreign(seen: Seen) -> bool:
    """Whether what presents the certificate behaves like no API server: no Go answer, no wish for a client's certificate.
    That ALPN is lost would be a third sign, but some boxes keep it."""
    plain = seen.plain
    asked = plain is not None and plain.failure in _UNANSWERED and not plain.is_go_tls_server
    return asked and not seen.normal.client_certificate_requested


def identifies(name: str) -> bool:
    """Whether a certificate for this name can be one cluster's only. Any network may have the same private address, and every
    cluster calls itself ``kubernetes.default``."""
    try:
        return ipaddress.ip_address(name).is_global
    except ValueError:
        host = name.removesuffix(".").lower()
        return host not in ("kubernetes", "localhost") and not f"{host}.".startswith("kubernetes.default.")


def names_server(certificate: PresentedCertificate, name: str) -> bool:
    """Whether the certificate is for this name or address, as clients match it: one wildcard label, at the left."""
    try:
        address = str(ipaddress.ip_address(name))
    except ValueError:
        host = name.removesuffix(".").lower()
        known = {dns_name.lower() for dns_name in certificate.dns_names}
        return host in known or f"*.{host.partition('.')[2]}" in known
    return address in certificate.ip_names


def _dates(seen: Seen, failure: Failure, now: datetime) -> Verdict:
    wrong = [one for one in seen.normal.chain if not one.not_before <= now <= one.not_after]
    server_now = server_time(seen.dated)
    if wrong and server_now is not None and all(one.not_before <= server_now <= one.not_after for one in wrong):
        skew = ago(now - server_now)
        says = f"has a certificate that is valid by its own clock and not by this one: the clocks are {skew} apart"
        return Verdict(outcome="clocks-disagree", says=says)
    which = wrong[0] if wrong else (seen.normal.chain[0] if seen.normal.chain else None)
    if which is None:
        word = "has expired" if failure is Failure.CERTIFICATE_EXPIRED else "is not valid yet"
        return Verdict(outcome=failure.value, says=f"presents a certificate that {word}")
    if failure is Failure.CERTIFICATE_EXPIRED:
        return Verdict(
            outcome=failure.value,
            says=f"presents a certificate that expired {ago(now - which.not_after)} ago, at {utc(which.not_after)}",
        )
    return Verdict(
        outcome=failure.value,
        says=f"presents a certificate that becomes valid in {ago(which.not_before - now)}, at {utc(which.not_before)}",
    )


def _verified(normal: Handshake, now: datetime) -> str:
    says = f"completes a verified TLS handshake in {took(normal.duration_s)}"
    if not normal.chain:
        return says
    left = min(one.not_after for one in normal.chain) - now
    soon = " only" if left < timedelta(days=14) else ""
    return f"{says}; the certificate is valid for{soon} {ago(left)} more"


def _through(handshake: Handshake | None) -> bool:
    """Whether TLS itself worked, whatever is thought of the certificate."""
    return handshake is not None and (handshake.failure is None or handshake.failure in CERTIFICATE_FAILURES)


def server_time(answer: HttpAnswer | None) -> datetime | None:
    """The server's clock, from the Date header that every answer carries."""
    try:
        moment = parsedate_to_datetime(answer.headers["date"]) if answer is not None else None
    except (KeyError, ValueError):
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _same_name_other_key(chain: tuple[PresentedCertificate, ...], ca_pem: str | None) -> bool:
    """A rebuilt cluster calls its new authority by the old one's name, so only the key tells them apart."""
    if not chain or not ca_pem:
        return False
    try:
        ours = x509.load_pem_x509_certificates(ca_pem.encode())
    except ValueError:
        return False
    top = chain[-1]
    key = top.authority_key_id or (top.subject_key_id if top.subject == top.issuer else None)
    same_name = [one for one in ours if one.subject.rfc4514_string() == top.issuer]
    return bool(same_name) and key not in {_key_id(one) for one in same_name}


def same_key(presented: PresentedCertificate, issuer: x509.Certificate) -> bool:
    """Whether the certificate names this authority's key as the one that signed it; one that names no key may be its."""
    named = presented.authority_key_id
    return named is None or named == _key_id(issuer)


def _key_id(certificate: x509.Certificate) -> str:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
    except (x509.ExtensionNotFound, ValueError):
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest.hex()


def evidence(seen: Seen, now: datetime) -> Json:
    """What was seen, in the form that travels."""
    normal = seen.normal
    said: Json = {
        "verified": normal.verified,
        "version": normal.version,
        "alpn": normal.alpn_selected,
        "server_name": normal.server_name,
        "client_certificate_requested": normal.client_certificate_requested,
        "chain": [_shown(one) for one in normal.chain],
    }
    if seen.plain is not None or seen.small is not None or seen.bare is not None:
        said["experiments"] = {
            "plaintext": _went(seen.plain) if seen.plain is None or not seen.plain.is_go_tls_server else "go-tls-server",
            "small_segments": _went(seen.small),
            "without_alpn": _went(seen.bare),
            "with_http1_alone": _went(seen.old),
            "again": [_went(one) for one in seen.again],
        }
    server_now = server_time(seen.dated)
    if server_now is not None:
        said["server_time"] = stamp(server_now)
        said["clock_difference_s"] = round((server_now - now).total_seconds(), 1)
    return said


def _went(observation: Observation | None) -> str | None:
    if observation is None:
        return None
    return observation.failure.value if observation.failure else "answered"


def _shown(certificate: PresentedCertificate) -> Json:
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "serial": certificate.serial,
        "not_before": stamp(certificate.not_before),
        "not_after": stamp(certificate.not_after),
        "names": [*certificate.dns_names, *certificate.ip_names],
        "fingerprint_sha256": certificate.fingerprint_sha256,
    }
