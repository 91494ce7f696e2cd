"""The investigations that the views' tests show: each as far as its log goes."""

from __future__ import annotations

from datetime import timedelta

from bot.diagnosis.revision import what_is_new
from bot.model.alert import Alert, AlertRule
from bot.model.answer import Answer
from bot.model.change import Change, Onset
from bot.model.diagnosis import (
    Confidence,
    Correlation,
    CorrelationResult,
    Diagnosis,
    RankedCause,
    Separator,
    Verdict,
)
from bot.model.events import EventType, StepPlan
from bot.model.finding import Finding, Status
from bot.model.playbook import Domain, NextStep
from tests.render.builder import LADDER, START, Story, not_reached, seen

A, B = "10.0.0.1:6443", "10.0.0.2:6443"
ASKED = Onset(first_bad=START, source="asked")
HOSTILE = "<!channel> <@U0VICTIM01> @here @everyone `rm -rf /` *bold* _i_ ~s~ :x: \x1b[31mred\x1b[0m \u202eesrever\u202c & <https://evil.example|ok>"

_PODS = StepPlan(
    id="apiserver-pods", title="API server pods run in kube-system", playbook="connection-refused", probe="apiserver-pods"
)
_KUBELET = StepPlan(
    id="kubelet",
    title="The kubelet runs on each control-plane node",
    playbook="connection-refused",
    manual="Look at the kubelet's state and log on each control-plane node.",
    run="systemctl status kubelet; journalctl -u kubelet -n 50 --no-pager",
)
_NETWORK_TEAM = StepPlan(
    id="network-team",
    title="Nobody is working on the load balancer",
    playbook="connection-refused",
    manual="Ask in the network team's channel whether somebody is working on it.",
)


def waiting() -> Story:
    """Opened, and nothing is known yet."""
    return Story().begin().start("dns-lookup")


def _resolved() -> Finding:
    said = "api.lab.example resolves to 10.0.0.1 and 10.0.0.2."
    return seen(
        "dns-lookup",
        "api.lab.example",
        Status.OK,
        "resolved",
        said,
        took=0.0021,
        evidence={"addresses": ["10.0.0.1", "10.0.0.2"]},
    )


def _refused(address: str) -> Finding:
    return seen(
        "tcp-connect",
        address,
        Status.PROBLEM,
        "connection-refused",
        f"{address} refuses the connection: a reset came back at once.",
        raw_error="ConnectionRefusedError: [Errno 111] Connection refused",
        evidence={"local_address": "10.0.9.7", "icmp": None},
    )


def _refused_ladder() -> Story:
    story = Story().begin().finish("dns-lookup", _resolved())
    story.finish("tcp-connect", _refused(A), _refused(B))
    for probe, _ in LADDER[2:]:
        story.finish(probe, *not_reached(probe, A, B), seconds=0)
    sentence = "TCP is refused at both addresses: the host answers and nothing listens on port 6443 there."
    return story.triage(sentence, domain=Domain.PROCESS, symptom="connection-refused", playbook="connection-refused")


_NOT_RUNNING = RankedCause(
    id="apiserver-not-running",
    domain=Domain.PROCESS,
    title="The API server is not running",
    sentence="Nothing listens on the API server's port: its process or container is gone.",
    confidence=Confidence.MEDIUM,
    score=3,
    tied_with=("apiserver-wrong-bind-address", "firewall-reject"),
    evidence_for=("every address refuses the connection with a reset, at once",),
    unchecked=("is there a container? (no agent on a control-plane node)",),
    next=(
        NextStep(say="See whether the container is there.", run="crictl ps -a --name kube-apiserver"),
        NextStep(say="See why the last one ended.", run="crictl logs --tail 50 $(crictl ps -aq --name kube-apiserver | head -1)"),
    ),
    separator=Separator(
        between=("apiserver-not-running", "apiserver-wrong-bind-address", "firewall-reject"),
        check="Does anything listen on the port, on the control-plane node?",
        run="ss -ltnp 'sport = :6443'",
    ),
)
_WRONG_BIND = RankedCause(
    id="apiserver-wrong-bind-address",
    domain=Domain.PROCESS,
    title="The API server listens elsewhere",
    sentence="It runs, but is bound to another address or port than the one clients use.",
    confidence=Confidence.MEDIUM,
    score=3,
    tied_with=("apiserver-not-running", "firewall-reject"),
    evidence_for=("every address refuses the connection with a reset, at once",),
    next=(
        NextStep(
            say="Read its bind address.", run="grep -E 'bind-address|secure-port' /etc/kubernetes/manifests/kube-apiserver.yaml"
        ),
    ),
)
_REJECT = RankedCause(
    id="firewall-reject",
    domain=Domain.PATH,
    title="A firewall rejects the connection",
    sentence="Something on the way answers with a forged reset.",
    confidence=Confidence.MEDIUM,
    score=2,
    tied_with=("apiserver-not-running", "apiserver-wrong-bind-address"),
    evidence_for=("every address refuses the connection with a reset, at once",),
    evidence_against=("no ICMP reject came back",),
)
_MANIFEST_CHANGE = Change(
    kind="static-pod-manifest",
    subject="cp-1:/etc/kubernetes/manifests/kube-apiserver.yaml",
    at=START - timedelta(minutes=9),
    source="agent cp-1",
    who="root",
    what="content changed",
)


def _line(name: str, title: str, result: CorrelationResult, sentence: str, **more: object) -> Correlation:
    values = {"playbook": "connection-refused", "window": "around 5m", **more}
    return Correlation.model_validate(
        {"id": name, "title": title, "result": result, "sentence": sentence, **values}, strict=False
    )


def _blind_lines() -> list[Correlation]:
    watch = "What would record it: the change recorder's watch of kube-system, or an agent on the node."
    agent = "What would record it: an agent on the node, or the kubelet's metrics."
    no = CorrelationResult.NOT_CHECKED
    return [
        _line(
            "apiserver-restart",
            "API server pods restart around the first errors",
            no,
            "Nothing records it.",
            window="around 2m",
            todo=watch,
        ),
        _line("rollout", "The API server's workload changed", no, "Nothing records it.", window="before 1h", todo=watch),
        _line("kubelet-restart", "The kubelet restarts around the first errors", no, "Nothing records it.", todo=agent),
    ]


def _playbook_steps(story: Story) -> Story:
    story.select(_PODS, _KUBELET, _NETWORK_TEAM)
    said = "The pods could not be listed: the API server does not answer."
    todo = "crictl ps -a --name kube-apiserver   # on each control-plane node"
    story.finish("apiserver-pods", seen("apiserver-pods", "kube-system", Status.NOT_CHECKED, "api-unreachable", said, todo=todo))
    return story.by_hand("kubelet").by_hand("network-team")


def tie() -> Story:
    """Refused at both addresses; one vantage point cannot tell three causes apart."""
    story = _playbook_steps(_refused_ladder()).onset(ASKED).correlate(*_blind_lines())
    diagnosis = Diagnosis(
        revision=1,
        verdict=Verdict.CAUSE,
        headline="The API server is not running: the best-supported cause, medium confidence, tied with 2 others.",
        causes=(_NOT_RUNNING, _WRONG_BIND, _REJECT),
        onset=ASKED,
        not_checked=("API server pods run in kube-system", "The kubelet runs on each control-plane node"),
        notes=("Whether something changed is not known: nothing records changes here.",),
        final=True,
    )
    return story.diagnose(diagnosis).conclude()


def revised() -> Story:
    """Refused; a manifest changed nine minutes before; slower evidence revised a first verdict."""
    onset = Onset(first_bad=START - timedelta(seconds=60), last_good=START - timedelta(seconds=65), source="heartbeat")
    story = _playbook_steps(_refused_ladder()).onset(onset)
    said = "Change of a static pod's manifest: cp-1:/etc/kubernetes/manifests/kube-apiserver.yaml, 8m before the first failure."
    match = _line(
        "manifest",
        "The API server's manifest changed",
        CorrelationResult.MATCH,
        said,
        window="before 1h",
        changes=(_MANIFEST_CHANGE,),
    )
    miss = _line(
        "maintenance", "Node maintenance", CorrelationResult.NO_MATCH, "No such change within 5m around the first failure."
    )
    story.correlate(match, miss)
    bad = RankedCause(
        id="apiserver-bad-configuration",
        domain=Domain.PROCESS,
        title="The API server's configuration is wrong",
        sentence="A flag, a file or the manifest is wrong, so that it exits at once.",
        confidence=Confidence.HIGH,
        score=11,
        refines="apiserver-not-running",
        evidence_for=("every address refuses the connection", "the manifest changed 8 minutes before the first failure"),
        next=(
            NextStep(
                say="Compare the manifest with the one before.",
                run="ls -la --time-sort /etc/kubernetes/manifests /etc/kubernetes/tmp",
            ),
        ),
    )
    first = Diagnosis(
        revision=1,
        verdict=Verdict.CAUSE,
        headline="The API server is not running: the best-supported cause, medium confidence.",
        causes=(_NOT_RUNNING.model_copy(update={"tied_with": ()}),),
        onset=onset,
        still_running=("The API server's pods crash-loop",),
    )
    second = first.model_copy(
        update={
            "revision": 2,
            "headline": "The API server's configuration is wrong: the best-supported cause, high confidence.",
            "causes": (bad, *first.causes),
            "still_running": (),
            "final": True,
        }
    )
    second = second.model_copy(update={"revised": what_is_new(first, second)})
    return story.diagnose(first).deliver().diagnose(second).conclude(first=1.2, duration=21.4)


_KUBELET_DOWN = RankedCause(
    id="kubelet-down",
    domain=Domain.NODE,
    title="A kubelet is not running",
    sentence="Nothing supervises the node's pods.",
    confidence=Confidence.HIGH,
    score=8,
    evidence_for=("The kubelet does not run. (alice found: masked since the upgrade of cp-1)",),
    next=(NextStep(say="See why.", run="journalctl -u kubelet -n 50 --no-pager"),),
)


def answered() -> Story:
    """The tie, and people who looked: one found it, one gave up; the verdict is another one."""
    story = tie()
    before = story.state.diagnosis
    assert before is not None
    before = before.model_copy(update={"ask": ("kubelet", "network-team")})
    story.diagnose(before.model_copy(update={"revision": 2})).deliver()
    note = "masked since the upgrade of cp-1 <!channel>"
    story.answer("kubelet", Answer.FOUND, note=note, since="2026-11-20T13:41:00.000Z", seconds=95)
    story.answer("network-team", Answer.SKIPPED, who="U0USER0002", name="bob", seconds=4)
    after = before.model_copy(
        update={
            "revision": 3,
            "headline": "A kubelet is not running: the best-supported cause, high confidence.",
            "causes": (_KUBELET_DOWN, *(cause.model_copy(update={"tied_with": ()}) for cause in before.causes)),
            "ask": (),
            "not_checked": before.not_checked[:1],
        }
    )
    after = after.model_copy(update={"revised": what_is_new(before, after)})
    return story.diagnose(after)


def warned() -> Story:
    """Healthy, and three things would break next; one has a picture."""
    story = Story().begin().finish("dns-lookup", _resolved())
    for probe, outcome, word, warning in (
        ("tcp-connect", "connected", "accepts TCP connections", None),
        (
            "tls-handshake",
            "verified",
            "presents a valid certificate",
            "The serving certificate of {} ends in 12 days, on 2026-12-02.",
        ),
        ("apiserver-health", "healthy", "says that it is healthy", None),
    ):
        told = {at: None if warning is None else warning.format(at) for at in (A, B)}
        story.finish(
            probe, *(seen(probe, at, Status.OK, outcome, f"{at} {word}.", took=0.012, warning=told[at]) for at in (A, B))
        )
    phases = [
        {"label": "DNS", "unit": "s", "start": 0, "length": 0.002},
        {"label": "TCP", "unit": "s", "start": 0.002, "length": 0.011},
        {"label": "TLS", "unit": "s", "start": 0.013, "length": 0.034},
        {"label": "GET /readyz", "unit": "s", "start": 0.047, "length": 0.009},
    ]
    who = "The bot's credentials are accepted at both addresses."
    story.finish("apiserver-auth", seen("apiserver-auth", A, Status.OK, "accepted", who, evidence={"chart": phases}))
    story.select(_PODS)
    lost = "1 of 2 backends does not answer: the other one carries everything."
    story.finish(
        "apiserver-pods",
        seen("apiserver-pods", "kube-system", Status.PROBLEM, "not-ready", "One of two is not ready.", warning=lost),
    )
    story.triage("Every layer works at both addresses.", domain=Domain.HEALTHY, symptom="answers")
    diagnosis = Diagnosis(
        revision=1,
        verdict=Verdict.HEALTHY,
        headline="The API server is healthy: every layer that was looked at passes at all 2 addresses.",
        final=True,
    )
    return story.diagnose(diagnosis).conclude(first=0.3, duration=0.3).close()


def history() -> Story:
    """Slow: what Prometheus recorded is drawn under the problem; what would break besides is one line."""
    story = Story().begin().finish("dns-lookup", _resolved())
    for probe, outcome in (("tcp-connect", "connected"), ("tls-handshake", "verified"), ("apiserver-health", "healthy")):
        said = "The serving certificate ends in 12 days." if probe == "tls-handshake" else None
        story.finish(probe, seen(probe, A, Status.OK, outcome, f"{A} is well.", warning=said))
    span = {"from": "2026-11-20T13:33:00.000Z", "to": "2026-11-20T14:03:00.000Z"}
    rows = [
        {"label": "up", "values": [1] * 24 + [0, 0, 1, 0, 1, 1], "worst": "low", **span},
        {"label": "p99", "unit": "s", "values": [0.08] * 15 + [0.2, 0.4, None, 0.9, 1.6, 2.5, 4.1, 6.0, 7.5, 8.0], **span},
        {"label": "5xx", "unit": "%", "values": [0] * 20 + [1, 2.5, 8, 12.5, 11], **span},
    ]
    plan = StepPlan(
        id="prometheus-history", title="No value of the last half hour is unusual", playbook="answers", probe="prometheus-history"
    )
    story.select(plan)
    bad = seen(
        "prometheus-history",
        "10.0.0.1:6443",
        Status.PROBLEM,
        "slow",
        "Requests take 8 s (p99).",
        evidence={"chart": rows, "job": "apiserver"},
    )
    story.finish("prometheus-history", bad, seconds=0.4)
    story.triage("Every layer works at both addresses.", symptom="answers")
    said = "Inconclusive: no cause that is known here explains what is seen (slow at 10.0.0.1:6443)."
    return story.diagnose(Diagnosis(revision=1, verdict=Verdict.INCONCLUSIVE, headline=said, final=True)).conclude()


def healthy() -> Story:
    """Everything passes; some things were not looked at."""
    story = Story().begin().finish("dns-lookup", _resolved())
    for probe, outcome, word in (
        ("tcp-connect", "connected", "accepts TCP connections"),
        ("tls-handshake", "verified", "presents a valid certificate"),
        ("apiserver-health", "healthy", "says that it is healthy"),
    ):
        story.finish(probe, *(seen(probe, at, Status.OK, outcome, f"{at} {word}.", took=0.012) for at in (A, B)))
    said = "The bot has no credentials for this cluster."
    todo = "Give the cluster a token file in the configuration."
    story.finish(
        "apiserver-auth", *(seen("apiserver-auth", at, Status.NOT_CHECKED, "no-credentials", said, todo=todo) for at in (A, B))
    )
    story.triage(
        "TCP, TLS and HTTP work at both addresses, and the API server says of itself that it is healthy.", domain=Domain.HEALTHY
    )
    diagnosis = Diagnosis(
        revision=1,
        verdict=Verdict.HEALTHY,
        headline="The API server is healthy: every layer that was looked at passes at all 2 addresses.",
        not_checked=(
            "Writes: a datastore without space still answers reads and health checks.",
            "The bot's credentials are accepted",
        ),
        final=True,
    )
    return story.diagnose(diagnosis).conclude(first=0.3, duration=0.3).close()


def silent() -> Story:
    """Every connect is cut short by the round's deadline: nothing can be said."""
    story = Story().begin().finish("dns-lookup", _resolved(), seconds=1.9)
    said = "The round's time was over before {} could have answered."
    story.finish(
        "tcp-connect",
        *(seen("tcp-connect", at, Status.INCONCLUSIVE, "deadline-capped", said.format(at), took=1.4) for at in (A, B)),
        seconds=1.4,
    )
    for probe, _ in LADDER[2:]:
        story.finish(probe, *not_reached(probe, A, B), seconds=0)
    story.triage("No layer fails as far as could be looked, and not every layer could be.")
    diagnosis = Diagnosis(
        revision=1,
        verdict=Verdict.INCONCLUSIVE,
        headline="Inconclusive: nothing could be looked at: the round's time was over. This is not an all-clear.",
        onset=ASKED,
        final=True,
    )
    return story.onset(ASKED).diagnose(diagnosis).conclude(first=9.5, duration=72)


def cancelled() -> Story:
    """Cancelled by a person after two steps."""
    story = Story().begin().finish("dns-lookup", _resolved()).start("tcp-connect").find("tcp-connect", _refused(A))
    return story.add(EventType.CANCEL_REQUESTED, by="U0USER0002", seconds=1.5).close("cancelled", "U0USER0002")


def defect() -> Story:
    """A probe fails by itself, and says nothing of the cluster."""
    story = Story().begin().finish("dns-lookup", _resolved())
    said = "The probe itself failed: ValueError in tcp-connect."
    raw = "ValueError: invalid literal for int() with base 10: 'six'"
    story.finish("tcp-connect", seen("tcp-connect", A, Status.ERROR, "probe-error", said, raw_error=raw))
    story.triage("No layer could be looked at, so nothing can be said about where it fails.")
    diagnosis = Diagnosis(
        revision=1, verdict=Verdict.INCONCLUSIVE, headline="Too little could be looked at to name a cause", final=True
    )
    return story.diagnose(diagnosis).conclude()


def hostile() -> Story:
    """Every text that comes from outside tries to mention, link, format, move the cursor and be too long."""
    story = Story(cluster="lab").begin().finish("dns-lookup", _resolved())
    noise = seen(
        "tcp-connect",
        A,
        Status.PROBLEM,
        "connection-reset",
        f"The peer said: {HOSTILE}",
        raw_error=HOSTILE * 3,
        evidence={"banner": "A<&>" * 10_000, "log": "\n".join([HOSTILE] * 14), "<!here>": {"k": [HOSTILE]}},
        todo=f"Ask {HOSTILE}",
    )
    story.finish("tcp-connect", noise, sentence=noise.sentence)
    story.triage(f"TCP is reset: {HOSTILE}", domain=Domain.PATH, symptom="connection-reset")
    cause = RankedCause(
        id="tls-intercepted",
        domain=Domain.TLS,
        title=f"Intercepted {HOSTILE}",
        sentence=HOSTILE * 20,
        confidence=Confidence.LOW,
        score=1,
        evidence_for=(HOSTILE,) * 7,
        evidence_against=(HOSTILE,) * 7,
        unchecked=(HOSTILE,) * 7,
        next=(NextStep(say=HOSTILE * 4, run=HOSTILE * 4),) * 3,
    )
    diagnosis = Diagnosis(
        revision=1,
        verdict=Verdict.CAUSE,
        headline=HOSTILE,
        causes=(cause, cause.model_copy(update={"id": "b"}), cause.model_copy(update={"id": "c"})),
        not_checked=(HOSTILE,) * 3,
        still_running=(HOSTILE,),
    )
    return story.diagnose(diagnosis)


def many_problems() -> Story:
    """More problems and fitting changes than a thread should have messages."""
    plans = [
        StepPlan(id=f"extra-{n}", title=f"Extra check {n} passes", playbook="connection-refused", probe="cluster-endpoint")
        for n in range(20)
    ]
    story = _refused_ladder().select(*plans)
    for n, plan in enumerate(plans):
        said = f"Extra check {n} fails."
        story.finish(plan.id, seen("cluster-endpoint", f"s{n}", Status.PROBLEM, "plain-http", said, took=n / 10, params={"n": n}))
    lines = [_line(f"line-{n}", f"Line {n}", CorrelationResult.MATCH, "It fits.", changes=(_MANIFEST_CHANGE,)) for n in range(9)]
    diagnosis = Diagnosis(
        revision=1, verdict=Verdict.CAUSE, headline="The API server is not running.", causes=(_NOT_RUNNING,), final=True
    )
    return story.correlate(*lines, *_blind_lines()).diagnose(diagnosis).conclude()


def alerts() -> Story:
    """Opened by an alert; others join, one has ended, and what they are called is not to be trusted."""

    def alert(name: str, fingerprint: str = "a1", **labels: str) -> Alert:
        onset = AlertRule(name=name, pending=timedelta(minutes=15)).onset(START)
        return Alert(name=name, fingerprint=fingerprint, starts_at=START, labels=labels, onset=onset)

    first = alert("KubeAPIDown", severity="critical", instance="<!channel> 10.0.0.1:6443")
    story = Story(alert=first).begin().finish("dns-lookup", _resolved())
    story.fires(alert("KubeAPIDown", "b2")).fires(alert("TargetDown")).fires(alert("<!here> *gone*"))
    ended = alert("TargetDown").model_copy(update={"resolved_at": START + timedelta(minutes=2)})
    assert first.onset is not None
    return story.fires(ended).onset(first.onset)


SCENARIOS = {
    "waiting": waiting,
    "alerts": alerts,
    "tie": tie,
    "revised": revised,
    "answered": answered,
    "warned": warned,
    "history": history,
    "healthy": healthy,
    "silent": silent,
    "cancelled": cancelled,
    "defect": defect,
    "hostile": hostile,
    "many-problems": many_problems,
}
