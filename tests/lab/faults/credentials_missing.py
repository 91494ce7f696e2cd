"""The client has no credentials, and the API server takes no requests without any; it is asked directly."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(
    cause="bot-credentials-rejected",
    acceptable={"bot": ("bot-credentials-rejected", "client-misconfigured")},
    because="The server answers and wants credentials; that none are given is the client's own.",
)


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asked = draw.one_of(*lab.apis)
    with asked.restarted("--anonymous-auth=false"):
        assert asked.status("/livez", user="nobody") == 401
        yield Ask(proof=f"{asked.host.name} is ready for the administrator, and answers 401 to nobody", server=asked.url, user={})
