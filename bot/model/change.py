"""Changes: what was modified, when and by whom. Sources record them before the outage; correlations look them up."""

from __future__ import annotations

from bot.model.base import Moment, Value


class Change(Value):
    """Something that was modified. ``precision_s`` is how far the true time may lie from ``at``, in seconds."""

    kind: str
    subject: str
    at: Moment
    precision_s: float = 1.0
    source: str
    who: str | None = None
    what: str | None = None


class Onset(Value):
    """When the failures began: an interval from the last good to the first bad sign, and where that is known from."""

    first_bad: Moment
    last_good: Moment | None = None
    source: str

    @property
    def uncertainty_s(self) -> float | None:
        """The interval's width in seconds; None when nothing good was ever seen."""
        return None if self.last_good is None else (self.first_bad - self.last_good).total_seconds()


class ChangeKind(Value):
    """A kind of change that playbooks may look for, and what makes it known to the bot."""

    title: str
    recorded_by: str


CHANGE_KINDS: dict[str, ChangeKind] = {
    "pod-restart": ChangeKind(
        title="restart of a pod's container", recorded_by="the change recorder's watch of kube-system, or an agent on the node"
    ),
    "workload-rollout": ChangeKind(
        title="change of a Deployment or DaemonSet", recorded_by="the change recorder's watch of kube-system"
    ),
    "config-map": ChangeKind(title="change of a ConfigMap", recorded_by="the change recorder's watch of kube-system"),
    "network-policy": ChangeKind(title="new or changed NetworkPolicy", recorded_by="the change recorder's watch"),
    "static-pod-manifest": ChangeKind(
        title="change of a static pod's manifest", recorded_by="an agent on the control-plane node (file hash and time)"
    ),
    "kubelet-restart": ChangeKind(title="restart of a kubelet", recorded_by="an agent on the node, or the kubelet's metrics"),
    "node-maintenance": ChangeKind(
        title="drain, reboot or planned work on a node", recorded_by="the change recorder, an agent, or a maintenance calendar"
    ),
    "cluster-maintenance": ChangeKind(
        title="maintenance window of the cluster", recorded_by="a maintenance calendar or a note from a person"
    ),
    "cluster-upgrade": ChangeKind(
        title="upgrade of the cluster", recorded_by="the change recorder (versions), or the cloud's record"
    ),
    "certificate-expiry": ChangeKind(
        title="end of a certificate's validity",
        recorded_by="an agent on the control-plane node (its pki folder), or the heartbeat",
    ),
    "firewall-rule": ChangeKind(title="change of a firewall rule", recorded_by="an agent on the node, or the cloud's record"),
    "security-group": ChangeKind(title="change of a security group or network ACL", recorded_by="the cloud's record"),
    "load-balancer": ChangeKind(
        title="change of the load balancer", recorded_by="the balancer's statistics or the cloud's record"
    ),
    "route": ChangeKind(title="change of a route", recorded_by="the cloud's record, or an agent on the node"),
    "dns-record": ChangeKind(title="change of the name's addresses", recorded_by="the heartbeat's record of answers"),
    "endpoint": ChangeKind(title="change of the API endpoint", recorded_by="the change recorder, or the cloud's record"),
}
"""The vocabulary of kinds. A line may ask for a kind that nothing records here yet: it is then not-checked, and says this."""
