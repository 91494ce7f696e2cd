"""Load that keeps its shape on a busy machine: requests that hold their place, leaked watches, pollers with a pace.

A request whose answer is larger than all socket buffers, and whose client reads it slowly, occupies a place among the requests
in flight for as long as it likes and costs nothing: what many clients on slow links do to an API server.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import struct
import threading
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress

from bot.demo.pki import Pair
from tests.lab.faults._moves import meanwhile, soon
from tests.lab.faults._objects import config_map, made
from tests.lab.kubeadm import as_user
from tests.lab.network import Host
from tests.lab.planes import ApiServer
from tests.lab.seed import Draw
from tests.lab.topology import Lab

SMALL = "/api/v1/namespaces/default"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
_PARTS, _PART_BYTES = 8, 900_000
_STREAMS = 90
_SETTINGS, _WINDOW_UPDATE, _HEADERS, _LAST = 4, 8, 1, 0x05
_STATUS_200 = 0x88


class Caller:
    """Somebody with a client certificate, on a host of the lab: connects, asks, and is asked about."""

    def __init__(self, lab: Lab, host: Host, name: str, *groups: str) -> None:
        self.host = host
        self.name = name
        self.pair: Pair = lab.authority.client(name, groups)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE
        self._context.load_cert_chain(*self.pair.write(lab.scratch(), "caller"))

    @property
    def user(self) -> dict[str, str]:
        """As a kubeconfig's user."""
        return as_user(self.pair)

    def connect(self, place: tuple[str, int], *, small: bool = False, alpn: str | None = None) -> ssl.SSLSocket:
        """``small``: with a receive buffer that takes next to nothing."""

        def dial() -> socket.socket:
            plain = socket.socket()
            if small:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.settimeout(20)
            plain.connect(place)
            return plain

        plain = self.host.here(dial)
        context = self._context
        if alpn:
            context.set_alpn_protocols([alpn])
        try:
            return context.wrap_socket(plain)
        except BaseException:
            plain.close()
            raise

    def get(self, place: tuple[str, int], path: str, *, timeout: float = 20) -> tuple[int, dict[str, str], str]:
        """One GET on a connection of its own: status, headers, text."""
        connection = http.client.HTTPConnection(*place, timeout=timeout)
        connection.sock = self.connect(place)
        connection.sock.settimeout(timeout)
        try:
            connection.request("GET", path, headers={"User-Agent": "lab-load"})
            answer = connection.getresponse()
            return (
                answer.status,
                {key.lower(): value for key, value in answer.getheaders()},
                answer.read().decode(errors="replace"),
            )
        finally:
            connection.close()

    def status(self, place: tuple[str, int], path: str, *, timeout: float = 20) -> int | None:
        """The status of one GET; None when none comes in time."""
        with suppress(OSError, http.client.HTTPException):
            return self.get(place, path, timeout=timeout)[0]
        return None


def place_of(api: ApiServer) -> tuple[str, int]:
    return api.host.address, api.port


@contextmanager
def large_objects(lab: Lab, draw: Draw) -> Generator[str]:
    """Configuration maps whose list is larger than what the kernel buffers for a slow reader; the list's path."""
    name = draw.word()
    text = "x" * _PART_BYTES
    with made(lab, *((CONFIG_MAPS, config_map(f"{name}-{number}", text=text)) for number in range(_PARTS))):
        yield f"{CONFIG_MAPS}?limit={draw.between(500, 900)}"


@contextmanager
def slow_readers(
    caller: Caller, place: tuple[str, int], path: str, count: int, *, hold_s: float = 45.0, pause_s: float = 0.05
) -> Generator[Counter[int]]:
    """That many connections ask for a large list; each holds its answer for a while, then drops it and asks again.

    Yields the statuses so far.
    """
    counts: Counter[int] = Counter()

    def work(stop: threading.Event) -> None:
        while not stop.is_set():
            with suppress(OSError):
                _hold(caller, place, path, hold_s, stop, counts)
            stop.wait(pause_s)

    with meanwhile(*([work] * count)):
        yield counts


def _hold(caller: Caller, place: tuple[str, int], path: str, hold_s: float, stop: threading.Event, counts: Counter[int]) -> None:
    connection = caller.connect(place, small=True)
    try:
        connection.settimeout(0.5)
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: {place[0]}\r\nUser-Agent: lab-load\r\nConnection: close\r\n\r\n".encode()
        )
        first = b""
        while not first and not stop.is_set():
            with suppress(TimeoutError):
                first = connection.recv(64)
                if not first:
                    return
        if first:
            status = int(first.split()[1])
            counts[status] += 1
            stop.wait(hold_s if status == 200 else 0.2)
    finally:
        connection.close()


@contextmanager
def pollers(callers: list[Caller], place: tuple[str, int], paths: list[str], *, every_s: float) -> Generator[Counter[int]]:
    """Each caller asks for the paths in turn, with a pause, on a connection that it keeps; yields the statuses so far."""
    counts: Counter[int] = Counter()

    def polling(caller: Caller) -> Callable[[threading.Event], None]:
        def work(stop: threading.Event) -> None:
            while not stop.is_set():
                with suppress(OSError, http.client.HTTPException):
                    connection = http.client.HTTPConnection(*place, timeout=20)
                    connection.sock = caller.connect(place)
                    with ExitStack() as stack:
                        stack.callback(connection.close)
                        _poll(connection, paths, every_s, stop, counts)
                stop.wait(every_s)

        return work

    with meanwhile(*(polling(caller) for caller in callers)):
        yield counts


def _poll(
    connection: http.client.HTTPConnection, paths: list[str], every_s: float, stop: threading.Event, counts: Counter[int]
) -> None:
    while not stop.is_set():
        for path in paths:
            connection.request("GET", path, headers={"User-Agent": "lab-load"})
            answer = connection.getresponse()
            answer.read()
            counts[answer.status] += 1
            if stop.wait(every_s) or answer.will_close:
                return


@contextmanager
def leaked_watches(caller: Caller, place: tuple[str, int], count: int) -> Generator[None]:
    """That many watches that nobody reads, on a few HTTP/2 connections: what a client leaks that forgets its informers."""
    with ExitStack() as stack:
        connections = []
        for begin in range(0, count, _STREAMS):
            connection = caller.connect(place, alpn="h2")
            stack.callback(connection.close)
            assert connection.selected_alpn_protocol() == "h2"
            streams = min(_STREAMS, count - begin)
            connection.sendall(_watches(place[0], streams))
            # All at once they would be turned away, as more than one flow may ask for.
            _wait_for_answers(connection, streams)
            connections.append(connection)
        stack.enter_context(meanwhile(*(_draining(one) for one in connections)))
        yield


def _wait_for_answers(connection: ssl.SSLSocket, count: int) -> None:
    """Reads frames until that many streams have been answered, all with 200."""
    reader = connection.makefile("rb")
    while count:
        head = reader.read(9)
        assert len(head) == 9, "the connection ended"
        payload = reader.read(int.from_bytes(head[:3]))
        if head[3] == _HEADERS:
            count -= 1
            assert payload[0] == _STATUS_200, f"a watch was not begun: {payload!r}"


def _draining(connection: ssl.SSLSocket) -> Callable[[threading.Event], None]:
    def work(stop: threading.Event) -> None:
        connection.settimeout(0.3)
        with suppress(OSError):
            while not stop.is_set():
                with suppress(TimeoutError):
                    if not connection.recv(65536):
                        return

    return work


def _watches(host: str, count: int) -> bytes:
    """A client's first bytes: its preface and settings, a large window, then one watch on each stream."""
    path = f"{CONFIG_MAPS}?watch=true&resourceVersion=0&timeoutSeconds=600"
    fields = {":method": "GET", ":scheme": "https", ":authority": host, ":path": path, "user-agent": "lab-load"}
    # Each field as a literal that is not indexed, with a name of its own.
    block = b"".join(b"\x00" + _text(key) + _text(value) for key, value in fields.items())
    frames = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        _frame(_SETTINGS, 0, 0, b""),
        _frame(_WINDOW_UPDATE, 0, 0, struct.pack("!I", 2**30)),
    ]
    frames += [_frame(_HEADERS, _LAST, 2 * number + 1, block) for number in range(count)]
    return b"".join(frames)


def _text(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def metric(api: ApiServer, name: str, *labels: str) -> float:
    """The sum of a metric's rows that have all of these texts, as the API server's administrator reads it."""
    rows = [row for row in api.ask("/metrics", timeout=20).text.splitlines() if row.startswith((f"{name}{{", f"{name} "))]
    return sum(float(row.rpartition(" ")[2]) for row in rows if all(label in row for label in labels))


FLOW = "/apis/flowcontrol.apiserver.k8s.io/v1"


_QUEUES = {"type": "Queue", "queuing": {"queues": 4, "handSize": 1, "queueLengthLimit": 100}}


@contextmanager
def narrow_flow(lab: Lab, draw: Draw, caller: Caller, api: ApiServer, *, queues: bool) -> Generator[str]:
    """A flow schema and a priority level of a caller's own, with next to no share, none lent or borrowed; the schema's name.

    What is too much is queued, or turned away.
    """
    name = f"{draw.word()}-{draw.between(10, 99)}"
    limited = {
        "nominalConcurrencyShares": 1,
        "lendablePercent": 0,
        "borrowingLimitPercent": 0,
        "limitResponse": _QUEUES if queues else {"type": "Reject"},
    }
    every = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
    rules = {
        "subjects": [{"kind": "User", "user": {"name": caller.name}}],
        "resourceRules": [every],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    }
    level = {"metadata": {"name": name}, "spec": {"type": "Limited", "limited": limited}}
    schema = {
        "metadata": {"name": name},
        "spec": {
            "priorityLevelConfiguration": {"name": name},
            "matchingPrecedence": 500,
            "distinguisherMethod": {"type": "ByUser"},
            "rules": [rules],
        },
    }
    with made(lab, (f"{FLOW}/prioritylevelconfigurations", level), (f"{FLOW}/flowschemas", schema)):
        mark = f'priority_level="{name}"'
        soon(lambda: metric(api, "apiserver_flowcontrol_nominal_limit_seats", mark) > 0, "it knows the flow")
        yield name


@contextmanager
def starved_flow(lab: Lab, draw: Draw, caller: Caller, api: ApiServer) -> Generator[str]:
    """A caller's own flow is full and turns away what is too much; the flow schema's name."""
    place = place_of(api)
    with (
        large_objects(lab, draw) as path,
        narrow_flow(lab, draw, caller, api, queues=False) as name,
        slow_readers(caller, place, path, 6),
    ):
        soon(lambda: caller.status(place, SMALL) == 429, f"requests of {caller.name} are turned away")
        yield name


def waiting(api: ApiServer, schema: str) -> float:
    """How many requests of a flow schema are in queues now."""
    return metric(api, "apiserver_flowcontrol_current_inqueue_requests", f'flow_schema="{schema}"')
