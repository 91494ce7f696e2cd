"""Everything is well; who asks is known to the API server and may read next to nothing."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.lab.fault import Ask, Truth
from tests.lab.faults._load import CONFIG_MAPS, Caller, place_of
from tests.lab.seed import Draw
from tests.lab.topology import Lab

TRUTH = Truth(cause="healthy", acceptable={"bot": ("healthy",)})


@contextmanager
def fault(lab: Lab, draw: Draw) -> Generator[Ask]:
    asker = Caller(lab, lab.client2, draw.person(), draw.one_of("developers", "auditors"))
    seen = [asker.status(place_of(lab.api1), path) for path in (CONFIG_MAPS, "/livez", "/version")]
    assert seen == [403, 200, 200]
    yield Ask(proof=f"{asker.name} is answered {seen} to a list, /livez and /version", user=asker.user)
