"""The items of the four source documents: what each asks, in our words, and who can do it.

An item has one mark or several. ``P`` is a probe from where the bot runs; ``P api`` reads through the API, ``P metrics`` asks
Prometheus, ``P node``, ``P in-cluster`` and ``P cloud`` need an agent or a cloud's account. ``C`` is a diagnosis line, ``C
cloud`` one that only a cloud's record feeds. ``K`` is a cause or a next step, ``M`` something for a person, ``D`` a document
or a file that is shipped. ``select`` and ``shown`` are keys of the playbook itself.
"""

from __future__ import annotations

from typing import NamedTuple


class Item(NamedTuple):
    """``marks``: who can do it; ``asks``: what it is, in our words."""

    marks: tuple[str, ...]
    asks: str


_TEXT = """
000/select | select | connections are refused; the alerts that say so
000/impact | shown | what stops working and what goes on
000/playbook/1 | P api, P node, M | the API server's pods run, and do not crash
000/playbook/2 | P | clients and controllers use the right endpoint, address and port
000/playbook/3 | P node | each control-plane node's kubelet runs and can start the API server
000/diagnosis/1 | C | a restart of an API server pod within 2 minutes of the first failures
000/diagnosis/2 | C | a restart of a kubelet within 5 minutes
000/diagnosis/3 | C | a change of the API server's manifest or Deployment in the hour before
000/diagnosis/4 | C | maintenance of a control-plane node within 5 minutes
000/diagnosis/5 | C, P | the end of a certificate within 5 minutes, and whether any has expired
000/diagnosis/6 | C | maintenance or an upgrade of the cluster in the hour before
000/otherwise/1 | C | the second, wider windows: 5 to 10 minutes, 1 to 2 hours
000/otherwise/2 | P node | the kubelet's earlier attempts to reach the API server
000/otherwise/3 | P | certificates that ended just before
000/otherwise/4 | P node | process failures in the node's system log
000/otherwise/5 | P node, C | manifests that were changed and not recorded
000/otherwise/6 | K | what builds up slowly, when nothing matches
001/select | select | clients outside cannot make TCP or TLS connections; the alert that says so
001/impact | shown | what stops working and what goes on, seen from outside
001/playbook/1 | P | which URL, address and port are asked
001/playbook/2 | P in-cluster | a pod reaches the API server's own address by TCP and TLS
001/playbook/3 | P node | the port listens on the right interface, and the API server has it
001/playbook/4 | P node, P cloud, M | firewalls, security groups and network ACLs let the port through, both ways
001/playbook/5 | P | NetworkPolicies let clients and ingress gateways through
001/playbook/6 | P | the control plane's pods run, and do not restart
001/diagnosis/1 | C | a change of a firewall in the 10 minutes before the first failures
001/diagnosis/2 | C | a new or changed NetworkPolicy in the 10 minutes before
001/diagnosis/3 | C | a restart, a changed ConfigMap or Deployment of kube-system within 5 minutes
001/diagnosis/4 | C | a change of the load balancer within 10 minutes, before or after
001/diagnosis/5 | C | a change of a security group or network ACL within 10 minutes
001/diagnosis/6 | C | maintenance or an upgrade in the hour before
001/otherwise/1 | C | the second, wider windows: 10 to 30 minutes, 1 to 2 hours
001/otherwise/2 | C cloud | the provider's own record of firewall changes
001/otherwise/3 | C | what the load balancer's configuration was before
001/otherwise/4 | C cloud | changes of route tables
001/otherwise/5 | C, P | changes of the API's endpoints and of the DNS records
002/endpoint | P | which context and endpoint the kubeconfig uses
002/tcp | P | the port takes connections
002/healthz | P | the API server answers a health request, unverified
002/dns/1 | P | the name resolves
002/dns/2 | P | another DNS server says the same
002/dns/3 | P | no hosts entry hides what DNS says
002/dns/4 | K | for the time being, an address in the kubeconfig, with the name kept for TLS
002/tls/1 | P | which certificates are presented
002/tls/2 | P, P node | they are the cluster CA's; the files on disk are, too, and are the ones served
002/tls/3 | P | they have not expired
002/auth/1 | P, P node | a request with a client certificate is accepted
002/auth/2 | P in-cluster | a service account's token is accepted
002/lb/1 | P | what HAProxy says of its backends
002/lb/2 | P | each backend answers by itself
002/process/1 | P node | the API server as a systemd service: its state and journal
002/process/2 | P | the API server as a static pod: its pods
002/process/3 | P, P node | its logs, through the API and from the node
002/firewall/1 | P node | rules of iptables for the port, and whether drops are counted
002/firewall/2 | P node | zones and ports of firewalld
002/cloud/1 | P cloud, M | security groups of AWS let your address through
002/in-cluster/0 | K, agent | a pod to test from
002/in-cluster/1 | P in-cluster | the API server answers at its service's address
002/in-cluster/2 | P in-cluster | the service's name resolves
002/in-cluster/3 | P in-cluster | the pod's routes
002/in-cluster/4 | P in-cluster | a request for namespaces, phase by phase
002/flow/1 | P | a request's phases with their times: name, connection, TLS, HTTP
002/flow/2 | P | the health paths and a namespace
002/issue/timeout/1 | P | how long packets take
002/issue/timeout/2 | P | how large packets may be
002/issue/refused/1 | P node | the process runs
002/issue/refused/2 | P node | which ports listen
002/issue/refused/3 | P node | the address in the manifest that it binds to
002/issue/expired/1 | P node | the end dates of all certificates of the control plane
002/issue/expired/2 | K | how they are renewed
002/issue/expired/3 | K | how the new ones take effect
002/monitor/1 | D | a ServiceMonitor for the API server
002/monitor/2 | P metrics | whether Prometheus reaches it
002/monitor/3 | P metrics | how long 99 of 100 requests take at most
002/monitor/4 | P metrics | how many requests end in an error of the server
003/select | select | clients run into time-outs again and again
003/cause/1 | P, K | the pods that connect control plane and nodes do not run
003/solution/1 | P, K | their nodes are relieved, or are nodes of their own
003/cause/2 | P node, P in-cluster | ports, names and addresses that nodes need are blocked
003/solution/2 | K, D | the list of what to open
003/cause/3 | P node, P | TLS with ALPN is blocked, from the nodes to the control plane or on the client's own path
003/solution/3 | K | ALPN is let pass
003/cause/4 | P cloud, M | the allow-list does not contain whoever asks
003/solution/4 | K | the allow-list is replaced by a complete one
003/cause/5 | P metrics, P node | a client leaks watches, or polls
003/solution/5 | K | that client is found, stopped and mended
003/cause/6 | P | Helm keeps too many revisions
003/solution/6 | K | the history is limited, in Helm 2 and Helm 3
003/cause/7 | P | nodes and control plane do not reach each other on port 10250
003/solution/7 | K | what to look at for that port
"""


def _item(row: str) -> tuple[str, Item]:
    name, marks, asks = row.split(" | ")
    return name, Item(marks=tuple(marks.split(", ")), asks=asks)


ITEMS = dict(map(_item, _TEXT.strip().splitlines()))
"""Every item of the four documents, in their order."""

SHIPPED = {
    "002/monitor/1": "helm/apidown/templates/servicemonitor.yaml",
    "003/solution/2": "docs/egress.md",
}
"""Items that a document or a file answers, by its path."""
