"""What is needed to ask etcd's members for their health, from the files that the configuration names."""

from __future__ import annotations

import ssl
from pathlib import Path

from bot.adapters.kubeconfig.credentials import FileCredentials
from bot.adapters.kubeconfig.files import Pem, User
from bot.clock import Clock
from bot.model.target import Etcd
from bot.ports import EtcdAccess

_MOST_BYTES = 1024 * 1024


def etcd_access(etcd: Etcd | None, *, clock: Clock) -> EtcdAccess | None:
    """Reads the authority at this moment; the certificate and its key are read when they are used. Without the authority that
    was meant nobody is sure who a member is, and no credentials are used."""
    if etcd is None:
        return None
    ca_pem = None
    if etcd.ca_file:
        try:
            with Path(etcd.ca_file).open("rb") as file:
                ca_pem = file.read(_MOST_BYTES).decode("ascii", errors="ignore")
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=ca_pem)
        except (OSError, ValueError) as error:
            missing = isinstance(error, OSError) and not isinstance(error, ssl.SSLError)
            reason = error.strerror if missing else "it is no certificate"
            return EtcdAccess(etcd=etcd, problem=f"the file {etcd.ca_file} cannot be used ({reason})")
    if not etcd.certificate_file or not etcd.key_file:
        return EtcdAccess(etcd=etcd, ca_pem=ca_pem)
    user = User(certificate=Pem(path=Path(etcd.certificate_file)), key=Pem(path=Path(etcd.key_file)))
    return EtcdAccess(etcd=etcd, ca_pem=ca_pem, credentials=FileCredentials(user, clock=clock, environment={}, cluster={}))
