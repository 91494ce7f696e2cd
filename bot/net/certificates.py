"""The presented chain, as far as a diagnosis needs it. It comes from the peer: nothing in it is trusted or well-formed."""

from __future__ import annotations

import hashlib
import ssl
import warnings
from collections.abc import Iterable
from typing import Any, TypeVar

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from bot.model.observation import PresentedCertificate

# A server may send a chain of any length.
_CHAIN_LIMIT = 10
_NAMES_LIMIT = 200

E = TypeVar("E", bound=x509.ExtensionType)


def presented_chain(tls: ssl.SSLObject) -> tuple[PresentedCertificate, ...]:
    """The certificates the peer sent, its own first, verified or not. Those that cannot be read are left out."""
    return parse_chain(_encoded_chain(tls))


def _encoded_chain(tls: ssl.SSLObject) -> list[bytes]:
    public = getattr(tls, "get_unverified_chain", None)
    if public is not None:
        return list(public())
    # Before Python 3.13 the same function exists below the public object only.
    inner: Any = getattr(tls, "_sslobj", None)
    if inner is not None and hasattr(inner, "get_unverified_chain"):
        return [ssl.PEM_cert_to_DER_cert(item.public_bytes()) for item in inner.get_unverified_chain() or ()]
    leaf = tls.getpeercert(binary_form=True)
    return [leaf] if leaf else []


def parse_chain(encoded: Iterable[bytes]) -> tuple[PresentedCertificate, ...]:
    """Parses DER certificates, tolerating whatever they hold."""
    parsed = (parse_certificate(one) for _, one in zip(range(_CHAIN_LIMIT), encoded, strict=False))
    return tuple(one for one in parsed if one is not None)


def parse_certificate(der: bytes) -> PresentedCertificate | None:
    """One DER certificate; None if it is none. A part that cannot be read is empty, the rest is still shown."""
    with warnings.catch_warnings():
        # Old clusters have certificates that the library only warns about, such as serial numbers of zero.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        try:
            certificate = x509.load_der_x509_certificate(der)
            return _described(certificate, der)
        except (ValueError, TypeError, OverflowError, x509.InvalidVersion):
            return None


def _described(certificate: x509.Certificate, der: bytes) -> PresentedCertificate:
    names = _extension(certificate, x509.SubjectAlternativeName)
    authority = _extension(certificate, x509.AuthorityKeyIdentifier)
    subject_key = _extension(certificate, x509.SubjectKeyIdentifier)
    basic = _extension(certificate, x509.BasicConstraints)
    return PresentedCertificate(
        subject=_name(certificate, "subject"),
        issuer=_name(certificate, "issuer"),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        dns_names=tuple(names.get_values_for_type(x509.DNSName)[:_NAMES_LIMIT]) if names else (),
        ip_names=tuple(str(ip) for ip in names.get_values_for_type(x509.IPAddress)[:_NAMES_LIMIT]) if names else (),
        fingerprint_sha256=hashlib.sha256(der).hexdigest(),
        authority_key_id=authority.key_identifier.hex() if authority and authority.key_identifier else None,
        subject_key_id=subject_key.digest.hex() if subject_key else None,
        is_ca=bool(basic and basic.ca),
    )


def _name(certificate: x509.Certificate, which: str) -> str:
    try:
        name: x509.Name = getattr(certificate, which)
        return name.rfc4514_string()[:500]
    except ValueError:
        return ""


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    """One extension; None if it is missing or if any extension of the certificate is malformed."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError, TypeError):
        return None
