"""What an API server's metrics say about now: two readings some seconds apart, and the difference of them.

A counter since the start says that something happened once; only its growth says that it happens. Every threshold has its
reason beside it, and none is reached by a cluster that is idle, fresh or as busy as it should be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from bot.model.base import Json, Value
from bot.model.finding import Status
from bot.ports import Scrape

WANTED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "apiserver_flowcontrol_rejected_requests_total": ("priority_level", "flow_schema", "reason"),
        "apiserver_flowcontrol_dispatched_requests_total": ("priority_level",),
        "apiserver_flowcontrol_current_inqueue_requests": ("priority_level",),
        "apiserver_flowcontrol_request_wait_duration_seconds_bucket": ("priority_level", "le"),
        "apiserver_current_inflight_requests": ("request_kind",),
        "apiserver_longrunning_requests": ("verb", "group", "resource", "scope"),
        "apiserver_request_terminations_total": ("code",),
        "apiserver_admission_webhook_rejection_count": ("name", "error_type"),
        "apiserver_admission_webhook_request_total": ("name",),
        "apiserver_admission_webhook_admission_duration_seconds_bucket": ("name", "le"),
        "apiserver_resource_objects": ("group", "resource"),
        "apiserver_resource_size_estimate_bytes": ("group", "resource"),
        "apiserver_storage_objects": ("resource",),
        "apiserver_storage_size_bytes": (),
        "etcd_request_duration_seconds_bucket": ("operation", "le"),
        "etcd_request_errors_total": ("operation",),
        "etcd_requests_total": ("operation",),
        "process_max_fds": (),
        "process_open_fds": (),
        "process_start_time_seconds": (),
    }
)
"""One list for all who ask, so that one reading serves them all."""

Key = tuple[str, ...]
_SHED = ("queue-full", "concurrency-limit", "time-out")
_WRITES = ("create", "update", "delete")
_FAILED = "calling_webhook_error"

ENOUGH_SHED, SHED_SHARE = 5, 0.01
"""A well server turns a stray request away now and then; from 1 % on it misses the 99 % that Kubernetes aims at."""
ENOUGH_WAITED, WAITED_SHARE, WAITED_S = 5, 0.01, 1.0
"""Kubernetes aims at 99 % of its answers within 1 s, so more than 1 % that waited longer than that before they began do not
come of being busy."""
ENOUGH_ETCD, ETCD_SLOW_S, ETCD_SLOW_SHARE = 5, 0.1, 1 / 3
"""etcd answers within a few milliseconds and itself says of what takes 100 that it took too long. Now and then one does, while
a log is written or a leader changes; every third one does where its disk or its processor lacks time."""
ENOUGH_ERRORS, ERRORS_SHARE = 2, 0.9
"""Objects that exist already count as errors, and next to them other writes succeed."""
FILES_SHARE, FILES_SOON = 0.9, 0.7
ENOUGH_CALLS, SLOW_CALLS_SHARE, SLOW_CALL_S = 5, 1 / 2, 1.0
"""A webhook answers within milliseconds, and everybody whose write it is asked about waits for it. That every second call of one
takes a second is no chance."""
QUOTAS, QUOTA_SHARE = (2 * 1024**3, 8 * 1024**3), 0.8
"""etcd's quota is 2 GiB unless it is set, and its makers advise against more than 8 GiB. The API server does not know it."""
FREE_WATCHES, WATCHES_A_NODE, SINGLE_WATCHES_A_NODE = 500, 20, 300
"""Each node's daemons watch a kind a few times, and a kubelet each object that its 110 pods mount; operators do the rest."""


class Judged(Value):
    """One thing that was judged: its subject, its outcome, and one sentence with the window in it."""

    subject: str
    status: Status
    outcome: str
    says: str
    evidence: Json = {}
    warning: str | None = None


class Window:
    """Two readings of one process. ``grown`` is what a counter grew by between them; one that is new grew from nothing."""

    def __init__(self, first: Scrape, second: Scrape) -> None:
        self.first, self.second = first, second
        self.seconds = max(second.at - first.at, 0.001)

    @property
    def is_one_process(self) -> bool:
        """Behind a balancer two readings may be of two servers, whose counters have nothing to do with each other."""
        start = "process_start_time_seconds"
        return self.first.samples.get(start) == self.second.samples.get(start)

    def now(self, family: str) -> dict[Key, float]:
        return self.second.samples.get(family, {})

    def grown(self, family: str, where: Callable[[Key], bool] = lambda _: True) -> dict[Key, float]:
        before = self.first.samples.get(family, {})
        return {key: max(value - before.get(key, 0.0), 0.0) for key, value in self.now(family).items() if where(key)}

    def total(self, family: str, where: Callable[[Key], bool] = lambda _: True) -> float:
        return sum(self.grown(family, where).values())

    @property
    def words(self) -> str:
        return f"in {self.seconds:.1f} s"


def judge(window: Window, nodes: int | None) -> list[Judged]:
    """Everything, each subject once. ``nodes`` is how many the cluster has, None when that is not known."""
    return [flow(window), etcd(window), watches(window, nodes), files(window), webhooks(window)]


def flow(window: Window) -> Judged:
    """Whether requests are turned away or kept waiting."""
    subject = "request flow"
    rejected = window.grown("apiserver_flowcontrol_rejected_requests_total", lambda key: key[2] in _SHED)
    served = window.total("apiserver_flowcontrol_dispatched_requests_total")
    shed = max(sum(rejected.values()), window.total("apiserver_request_terminations_total", lambda key: key[0] == "429"))
    asked = served + shed
    inflight = sum(window.now("apiserver_current_inflight_requests").values())
    evidence = {"window_s": round(window.seconds, 1), "turned_away": shed, "served": served, "in_flight": inflight}
    if shed >= ENOUGH_SHED and shed >= SHED_SHARE * asked:
        worst = max(rejected, key=lambda key: rejected[key], default=None)
        flow = f", most of flow {worst[1]} at level {worst[0]} ({worst[2]})" if worst and rejected[worst] else ""
        share = f", {shed / asked:.0%} of all" if served else ""
        says = f"{shed:.0f} requests were turned away {window.words}{share}{flow}."
        return Judged(subject=subject, status=Status.PROBLEM, outcome="requests-rejected", says=says, evidence=evidence)
    waited, ended = _waited(window)
    queued, queued_before = _queued(window.second), _queued(window.first)
    evidence |= {"waited_over_1_s": waited, "queued": queued}
    long = waited >= ENOUGH_WAITED and waited >= WAITED_SHARE * ended
    stuck = min(queued, queued_before) >= ENOUGH_WAITED and min(queued, queued_before) * window.seconds > WAITED_S * max(
        served, 1
    )
    if long or stuck:
        says = f"{waited:.0f} of {ended:.0f} requests that began {window.words} had waited over 1 s; {queued:.0f} wait now."
        return Judged(subject=subject, status=Status.PROBLEM, outcome="requests-queued", says=says, evidence=evidence)
    says = f"{served:.0f} requests were served {window.words}, {shed:.0f} turned away; {inflight:.0f} are in flight."
    return Judged(subject=subject, status=Status.OK, outcome="quick", says=says, evidence=evidence)


def _waited(window: Window) -> tuple[float, float]:
    """Requests that left a queue after more than a second, and all that left one."""
    return _over(window, "apiserver_flowcontrol_request_wait_duration_seconds_bucket", WAITED_S, lambda key: True)


def _over(window: Window, family: str, seconds: float, where: Callable[[Key], bool]) -> tuple[float, float]:
    """How many of a histogram's events took longer, and how many there were. The bounds differ between versions: the nearest
    one above is taken, and without one nothing took longer."""
    grown = window.grown(family, where)
    bounds = sorted({bound for key in grown if seconds <= (bound := _number(key[-1])) < float("inf")})
    ended = sum(value for key, value in grown.items() if key[-1] == "+Inf")
    if not bounds:
        return 0.0, ended
    quick = sum(value for key, value in grown.items() if _number(key[-1]) == bounds[0])
    return max(ended - quick, 0.0), ended


def _queued(scrape: Scrape) -> float:
    return sum(scrape.samples.get("apiserver_flowcontrol_current_inqueue_requests", {}).values())


def etcd(window: Window) -> Judged:
    """Whether writes fail, and whether answers are slow. Lists are left out: a long one takes its time anywhere."""
    subject = "etcd requests"
    writes = window.total("etcd_requests_total", lambda key: key[0] in _WRITES)
    errors = window.total("etcd_request_errors_total", lambda key: key[0] in _WRITES)
    size = window.now("apiserver_storage_size_bytes").get((), 0.0)
    family = "etcd_request_duration_seconds_bucket"
    slow, ended = _over(window, family, ETCD_SLOW_S, lambda key: not key[0].startswith("list"))
    evidence = {"window_s": round(window.seconds, 1), "writes": writes, "failed_writes": errors, "ended": ended, "slow": slow}
    evidence["size_mib"] = round(size / 1024 / 1024)
    if errors >= ENOUGH_ERRORS and errors >= ERRORS_SHARE * writes:
        says = f"{errors:.0f} of {max(writes, errors):.0f} writes to etcd failed {window.words}; its database has {_mib(size)}."
        return Judged(subject=subject, status=Status.PROBLEM, outcome="etcd-writes-failing", says=says, evidence=evidence)
    if ended >= ENOUGH_ETCD and slow >= ETCD_SLOW_SHARE * ended:
        says = f"{slow:.0f} of {ended:.0f} requests to etcd took over 100 ms {window.words}."
        return Judged(subject=subject, status=Status.PROBLEM, outcome="etcd-slow", says=says, evidence=evidence)
    says = f"{slow:.0f} of {ended:.0f} requests to etcd took over 100 ms {window.words}, and {errors:.0f} writes failed."
    return Judged(subject=subject, status=Status.OK, outcome="quick", says=says, evidence=evidence, warning=_nearly_full(size))


def _nearly_full(size: float) -> str | None:
    """A warning where the size is just below one of the quotas that are usual."""
    quota = next((quota for quota in QUOTAS if QUOTA_SHARE * quota <= size < quota), None)
    if quota is None:
        return None
    return f"etcd's database has {_mib(size)}; where its quota is {_mib(quota)}, writes end when that is full."


def busiest_watch(scrape: Scrape) -> tuple[Key | None, float]:
    """The kind and scope with the most watches."""
    found = {key: value for key, value in scrape.samples.get("apiserver_longrunning_requests", {}).items() if key[0] == "WATCH"}
    most = max(found, key=lambda key: found[key], default=None)
    return most, found[most] if most else 0.0


def watches(window: Window, nodes: int | None) -> Judged:
    """Whether one kind is watched far more often than this many nodes explain. Grown ones are said, as a leak grows."""
    subject = "watches"
    most, count = busiest_watch(window.second)
    if most is None:
        says = "The metrics do not say how many watches there are."
        return Judged(subject=subject, status=Status.INCONCLUSIVE, outcome="not-told", says=says)
    _, _, resource, scope = most
    grown = count - window.first.samples.get("apiserver_longrunning_requests", {}).get(most, 0.0)
    evidence = {"resource": resource, "scope": scope, "watches": count, "grown": grown, "nodes": nodes}
    kind = f"{count:.0f} watches of {resource} ({scope}) are open, {grown:+.0f} {window.words}"
    if count <= FREE_WATCHES:
        return Judged(subject=subject, status=Status.OK, outcome="quick", says=f"At most {kind}.", evidence=evidence)
    if nodes is None:
        says = f"{kind}; whether that is usual depends on the number of nodes, which is not known."
        return Judged(subject=subject, status=Status.INCONCLUSIVE, outcome="not-told", says=says, evidence=evidence)
    usual = FREE_WATCHES + nodes * (SINGLE_WATCHES_A_NODE if scope == "resource" else WATCHES_A_NODE)
    if count <= usual:
        return Judged(
            subject=subject, status=Status.OK, outcome="quick", says=f"{kind}, as {nodes} nodes may.", evidence=evidence
        )
    says = f"{kind}; for {nodes} nodes {usual:.0f} would be many."
    return Judged(subject=subject, status=Status.PROBLEM, outcome="watches-many", says=says, evidence=evidence)


def files(window: Window) -> Judged:
    """Open files against the process's limit: at the limit it takes no more connections."""
    subject = "open files"
    used, limit = window.now("process_open_fds").get((), 0.0), window.now("process_max_fds").get((), 0.0)
    if not limit:
        says = "The metrics do not say how many files may be open."
        return Judged(subject=subject, status=Status.INCONCLUSIVE, outcome="not-told", says=says)
    says = f"{used:.0f} of at most {limit:.0f} files are open."
    bad = used >= FILES_SHARE * limit
    outcome, status = ("files-near-limit", Status.PROBLEM) if bad else ("quick", Status.OK)
    warning = (
        f"Of the API server's files {says[:-1]}; at the limit it takes no connections." if used >= FILES_SOON * limit else None
    )
    evidence = {"open": used, "limit": limit}
    return Judged(subject=subject, status=status, outcome=outcome, says=says, evidence=evidence, warning=warning)


def webhooks(window: Window) -> Judged:
    """Requests that are refused because a webhook could not be called, half of its calls at least, as one that answers may
    fail now and then; and requests that wait for one that is slow."""
    subject = "webhook calls"
    failed = window.grown("apiserver_admission_webhook_rejection_count", lambda key: key[1] == _FAILED)
    called = window.grown("apiserver_admission_webhook_request_total")
    names = {key[0]: value for key, value in failed.items() if value and 2 * value >= called.get((key[0],), 0.0)}
    if names:
        worst = max(names, key=lambda name: names[name])
        says = f"{sum(names.values()):.0f} requests were refused {window.words} because the webhook {worst} could not be called."
        return Judged(
            subject=subject, status=Status.PROBLEM, outcome="webhook-calls-failing", says=says, evidence={"refused": names}
        )
    slow = _slow_webhooks(window)
    if slow:
        name, (late, ended) = max(slow.items(), key=lambda item: item[1])
        says = f"{late:.0f} of {ended:.0f} calls of the webhook {name} took over 1 s {window.words}, and the requests waited."
        evidence = {"slow": {name: late for name, (late, _) in slow.items()}}
        return Judged(subject=subject, status=Status.PROBLEM, outcome="webhooks-slow", says=says, evidence=evidence)
    ever = sum(value for key, value in window.now("apiserver_admission_webhook_rejection_count").items() if key[1] == _FAILED)
    before = f"; {ever:.0f} were since the server started" if ever else ""
    says = f"No request was refused {window.words} because a webhook could not be called{before}."
    return Judged(subject=subject, status=Status.OK, outcome="quick", says=says)


def _slow_webhooks(window: Window) -> dict[str, tuple[float, float]]:
    """Of each webhook that is slow, how many of its calls were, and of how many."""
    family = "apiserver_admission_webhook_admission_duration_seconds_bucket"
    names = {key[0] for key in window.now(family)}
    counted = {name: _over(window, family, SLOW_CALL_S, lambda key, name=name: key[0] == name) for name in names}
    return {
        name: (late, ended)
        for name, (late, ended) in counted.items()
        if ended >= ENOUGH_CALLS and late >= SLOW_CALLS_SHARE * ended
    }


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0


def _mib(size: float) -> str:
    return f"{size / 1024 / 1024:.0f} MiB" if size else "a size that is not told"
