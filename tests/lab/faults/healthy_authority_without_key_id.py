"""Everything is well; the private authority and what it signed carry no key identifiers."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bot.demo.pki import Authority, Pair, general_name, private_pem
from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


class Plain(Authority):
    """An authority as old scripts make it: basic constraints, and nothing else."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._signer = ec.generate_private_key(ec.SECP256R1())
        built = self._begin(name, self._signer).issuer_name(self._named(name))
        self.own = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(
            self._signer, hashes.SHA256()
        )

    @property
    def pem(self) -> str:
        return self.own.public_bytes(serialization.Encoding.PEM).decode()

    def serving(self, names: list[str]) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        built = self._begin("kube-apiserver", key).issuer_name(self.own.subject)
        built = built.add_extension(x509.SubjectAlternativeName([general_name(name) for name in names]), critical=False)
        built = built.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        made = built.sign(self._signer, hashes.SHA256())
        return Pair(certificate=made.public_bytes(serialization.Encoding.PEM).decode(), key=private_pem(key))

    def _named(self, name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])

    def _begin(self, name: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        built = x509.CertificateBuilder().subject_name(self._named(name)).public_key(key.public_key())
        built = built.serial_number(x509.random_serial_number())
        return built.not_valid_before(now - timedelta(days=30)).not_valid_after(now + timedelta(days=700))


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    api, authority = draw.one_of(*lab.apis), Plain(draw.company())
    with api.restarted(serving=authority.serving(api.node.serving_names)):
        kinds = [item.oid.dotted_string for item in authority.own.extensions]
        assert x509.SubjectKeyIdentifier.oid.dotted_string not in kinds
        yield Ask(
            proof=f"/readyz is {api.status('/readyz')}, the authority has {len(kinds)} extension",
            server=api.url,
            authority=authority,
        )
