"""What is needed to ask a balancer for its statistics, from the files that the configuration names."""

from __future__ import annotations

import base64
from pathlib import Path

from bot.model.target import Balancer
from bot.ports import BalancerAccess

_MOST_BYTES = 1024 * 1024


def balancer_access(balancer: Balancer) -> BalancerAccess:
    """Reads the files at this moment. What cannot be read is in ``problem``, and then nothing is asked."""
    texts: list[str | None] = []
    for name in (balancer.ca_file, balancer.password_file):
        try:
            texts.append(_read(name) if name else None)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            return BalancerAccess(balancer=balancer, problem=f"the file {name} cannot be read ({reason})")
    ca_pem, password = texts
    if password is None:
        return BalancerAccess(balancer=balancer, ca_pem=ca_pem)
    password = password.strip()
    login = base64.b64encode(f"{balancer.user}:{password}".encode()).decode()
    secrets = frozenset({password, login} - {""})
    return BalancerAccess(balancer=balancer, headers={"Authorization": f"Basic {login}"}, secrets=secrets, ca_pem=ca_pem)


def _read(path: str) -> str:
    with Path(path).open("rb") as file:
        return file.read(_MOST_BYTES).decode()
