"""Certificates for tests, good ones and each kind of bad one, made in memory in a millisecond."""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bot.demo.pki import general_name, private_pem

DAY = timedelta(days=1)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate with its key, as PEM; ``chain_pem`` are the certificates a server presents after its own."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    chain_pem: str = ""

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> str:
        return private_pem(self.key)

    def load_into(self, context: ssl.SSLContext) -> None:
        """Makes a context present this certificate; the library reads files only."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "pair.pem"
            path.write_text(self.key_pem + self.pem + self.chain_pem)
            context.load_cert_chain(path)

    def server_context(self, *, alpn: Sequence[str] = (), client_ca_pem: str | None = None) -> ssl.SSLContext:
        """What a server with this certificate uses; with ``client_ca_pem`` it asks clients for a certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.load_into(context)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if client_ca_pem is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(cadata=client_ca_pem)
        return context


@dataclass(frozen=True, kw_only=True)
class Authority:
    """A certificate authority. ``key_ids`` False leaves out the extensions that old clusters' certificates lack."""

    common_name: str = "kubernetes"
    key_ids: bool = True
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def certificate(self) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(self.common_name))
            .issuer_name(_name(self.common_name))
            .public_key(self.key.public_key())
            .serial_number(1)
            .not_valid_before(now - 400 * DAY)
            .not_valid_after(now + 400 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        )
        if self.key_ids:
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(
        self,
        *names: str,
        common_name: str = "kube-apiserver",
        valid_from: timedelta = -DAY,
        valid_to: timedelta = DAY,
        self_signed: bool = False,
        with_authority: bool = False,
    ) -> Issued:
        """A certificate for these DNS names and IP addresses; validity is relative to now."""
        now = datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(common_name))
            .issuer_name(_name(common_name if self_signed else self.common_name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + valid_from)
            .not_valid_after(now + valid_to)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
        signer = key if self_signed else self.key
        if self.key_ids:
            builder = builder.add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
            )
        return Issued(certificate=builder.sign(signer, hashes.SHA256()), key=key, chain_pem=self.pem if with_authority else "")
