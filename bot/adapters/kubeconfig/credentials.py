"""A configured cluster's credentials: where they are, read at each use because they rotate, and what may be said of them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import os
import ssl
import tempfile
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from bot.adapters.kubeconfig.files import Pem, User
from bot.adapters.kubeconfig.plugin import ExecCredential, is_token, run_plugin
from bot.clock import Clock, stamp
from bot.errors import Unavailable
from bot.model.base import Json
from bot.model.target import CredentialKind
from bot.net.certificates import parse_certificate
from bot.redact import names_secret

_MAX_FILE = 256 * 1024


class FileCredentials:
    """``ports.Credentials`` for what a kubeconfig or a definition names. One object lives for one round: an exec plugin is run
    once in it, or again when what it gave expires; one that failed is not run again.

    ``headers`` comes before ``load_client_certificate``, because a plugin may hand out the certificate.
    """

    def __init__(self, user: User, *, clock: Clock, environment: Mapping[str, str], cluster: Json) -> None:
        self.kind = _kind(user)
        self._user = user
        self._clock = clock
        self._environment = environment
        self._cluster = cluster
        self._given: ExecCredential | None = None
        self._failure: Unavailable | None = None
        self._turn = asyncio.Lock()
        self._read: set[str] = {secret for secret in (user.token, *_secrets_of_plugin(user)) if secret}

    def secrets(self) -> frozenset[str]:
        """Every secret value that was read or handed out so far, for what must not show one. Private keys are not among them:
        they have a form of their own."""
        return frozenset(self._read)

    def __repr__(self) -> str:
        return f"FileCredentials({self.kind.value})"

    async def headers(self) -> dict[str, str]:
        token = self._own_token()
        if token is None and self._user.plugin is not None:
            token = (await self._plugin()).token
        return {"Authorization": f"Bearer {token}"} if token else {}

    def load_client_certificate(self, context: ssl.SSLContext) -> None:
        certificate, key = self._pair()
        if not certificate:
            return
        try:
            with _on_disk(certificate) as certificate_file, _on_disk(key) as key_file:
                # Without a password of ours OpenSSL would ask for one at the terminal.
                context.load_cert_chain(certificate_file, key_file, password=lambda: "")
        except (OSError, ValueError) as error:
            reason = _unreadable(certificate) or _unreadable(key) or "not a usable pair"
            raise Unavailable(
                f"the client certificate and key cannot be loaded: {reason}", next=_look_at(certificate, key)
            ) from error

    def describe(self) -> Json:
        """``kind``; ``subject``, ``issuer``, ``not_before`` and ``not_after`` where the token's claims or the certificate say
        them, unverified; ``audience`` of a token; ``command`` of a plugin; ``problem`` when the file cannot be read."""
        said: Json = {"kind": self.kind.value}
        if self._user.plugin:
            said["command"] = self._user.plugin.command.rsplit("/", 1)[-1]
        try:
            token = self._own_token() or (self._given.token if self._given else None)
            certificate, _ = self._pair()
            said |= claims(token) if token else _certificate(_content(certificate)) if certificate else {}
        except Unavailable as error:
            said["problem"] = error.what
        except (OSError, ValueError) as error:
            reason = f"{certificate.path}: {error.strerror}" if isinstance(error, OSError) else "its name is not usable"
            said["problem"] = f"the client certificate cannot be read: {reason}"
        if self._given and self._given.expires:
            said["not_after"] = stamp(self._given.expires)
        return said

    def _own_token(self) -> str | None:
        if self._user.token_file is None:
            token = self._user.token
        else:
            try:
                token = _content(Pem(path=self._user.token_file)).decode("ascii").strip()
            except (OSError, ValueError) as error:
                reason = error.strerror if isinstance(error, OSError) else "it is not text"
                what = f"the token file {self._user.token_file} cannot be read: {reason}"
                raise Unavailable(what, next="look at the file where apidown runs") from error
            if not token:
                raise Unavailable(f"the token file {self._user.token_file} is empty", next="look at the file where apidown runs")
        if token is not None and not is_token(token):
            raise Unavailable("the configured token has characters that no token has", next="look where the token comes from")
        if token is not None:
            self._read.add(token)
        return token

    async def _plugin(self) -> ExecCredential:
        plugin = self._user.plugin
        assert plugin is not None
        async with self._turn:
            if self._failure:
                raise self._failure
            if self._given is None or (self._given.expires and self._given.expires <= self._clock.now()):
                try:
                    self._given = await run_plugin(plugin, environment=self._environment, cluster=self._cluster)
                except Unavailable as error:
                    self._failure = error
                    raise
                if self._given.token:
                    self._read.add(self._given.token)
            return self._given

    def _pair(self) -> tuple[Pem, Pem]:
        if self._given and self._given.certificate_pem and self._given.key_pem:
            return Pem(data=self._given.certificate_pem.encode()), Pem(data=self._given.key_pem.encode())
        return self._user.certificate, self._user.key


def _secrets_of_plugin(user: User) -> list[str]:
    return [value for name, value in user.plugin.env.items() if names_secret(name)] if user.plugin else []


def _kind(user: User) -> CredentialKind:
    if user.token or user.token_file:
        return CredentialKind.TOKEN
    if user.plugin:
        return CredentialKind.EXEC
    return CredentialKind.CLIENT_CERTIFICATE if user.certificate else CredentialKind.NONE


def _content(pem: Pem) -> bytes:
    """The bytes; raises OSError when the file cannot be read. More than any certificate or token needs is not read."""
    if pem.path is None:
        return pem.data
    with pem.path.open("rb") as file:
        return file.read(_MAX_FILE)


def _unreadable(pem: Pem) -> str:
    """The file and what is wrong with it, which OpenSSL leaves out; nothing where it can be read."""
    try:
        _content(pem)
    except OSError as error:
        return f"{pem.path}: {error.strerror}"
    except ValueError:
        return "a file's name is not usable"
    return ""


def _look_at(certificate: Pem, key: Pem) -> str:
    files = [str(pem.path) for pem in (certificate, key) if pem.path]
    return f"look at {' and '.join(files)}" if files else "look where the kubeconfig comes from"


@contextlib.contextmanager
def _on_disk(pem: Pem) -> Generator[Path, None, None]:
    """A file with the content, which OpenSSL insists on: the given one, or a private one (0600) for this moment only."""
    if pem.path is not None:
        yield pem.path
        return
    handle, name = tempfile.mkstemp(prefix="apidown-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem.data)
        yield Path(name)
    finally:
        Path(name).unlink()


def claims(token: str) -> Json:
    """What a JSON web token says of itself, unverified; nothing for any other token."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        payload = parts[1]
        body = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    if not isinstance(body, dict):
        return {}
    said: Json = {
        key: body[claim][:500] for key, claim in (("subject", "sub"), ("issuer", "iss")) if isinstance(body.get(claim), str)
    }
    audience = body.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience if isinstance(audience, list) else []
    if known := [item[:200] for item in audiences[:10] if isinstance(item, str)]:
        said["audience"] = known
    begins = _seconds(body.get("nbf")) or _seconds(body.get("iat"))
    return said | {key: at for key, at in (("not_before", begins), ("not_after", _seconds(body.get("exp")))) if at}


def _seconds(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return stamp(datetime.fromtimestamp(value, UTC))
    except (ValueError, OverflowError, OSError):
        return None


def _certificate(pem: bytes) -> Json:
    """The first certificate of the file, which is the client's own."""
    text = pem.decode("ascii", errors="replace")
    begin, end = text.find(ssl.PEM_HEADER), text.find(ssl.PEM_FOOTER)
    if begin < 0 or end < begin:
        return {"problem": "the client certificate is not PEM"}
    try:
        certificate = parse_certificate(ssl.PEM_cert_to_DER_cert(text[begin : end + len(ssl.PEM_FOOTER)]))
    except ValueError:
        certificate = None
    if certificate is None:
        return {"problem": "the client certificate cannot be read"}
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "not_before": stamp(certificate.not_before),
        "not_after": stamp(certificate.not_after),
    }
