"""HAProxy's statistics from its page and its sockets: what is asked, what is understood, and what cannot be had, in words."""

from __future__ import annotations

import asyncio
import csv
import io
import socket
import threading
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.adapters.haproxy import MAX_BYTES, MAX_ROWS, HaproxyStatistics, parse
from bot.adapters.kubeconfig.balancers import balancer_access
from bot.demo.pki import Authority
from bot.errors import Unavailable
from bot.model.balancer import BalancerStatistics, RowKind
from bot.model.observation import Failure
from bot.model.target import Balancer
from bot.net.dns import SystemResolver
from bot.ports import BalancerAccess, StatisticsUnavailable
from tests.haproxy import Haproxy, haproxy, servers
from tests.lab.processes import wait_until
from tests.ports import free_port

PASSWORD = "correct horse, battery"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("balancers")


@pytest.fixture(scope="module")
def balancer(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Generator[Haproxy]:
    """Its page wants a password, over TLS."""
    folder = tmp_path_factory.mktemp("haproxy")
    certificate, key = authority.server(["localhost", "127.0.0.1"]).write(folder, "page")
    both = folder / "page.pem"
    both.write_text(certificate.read_text() + key.read_text())
    closed = free_port()
    sections = (
        f"  stats auth ann:{PASSWORD.replace(' ', chr(92) + ' ')}\n  stats show-legends\n"
        f"listen kube\n  bind 127.0.0.1:{free_port()}\n  server cp1 127.0.0.1:{closed} check\n"
    )
    with haproxy(folder, sections, page=f" ssl crt {both}") as process:
        wait_until(lambda: "L4CON" in process.tell("show stat"), "the check has ended", within=10)
        yield process


async def reading(url: str, **given: str) -> BalancerStatistics:
    return await HaproxyStatistics([balancer_access(Balancer(url=url, **given))], timeout_s=2).read(Balancer(url=url, **given))


async def refusal(url: str, **given: str) -> StatisticsUnavailable:
    with pytest.raises(StatisticsUnavailable) as caught:
        await reading(url, **given)
    return caught.value


async def test_every_way_to_ask_tells_the_same(balancer: Haproxy, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(authority.pem)
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    login = {"user": "ann", "password_file": str(tmp_path / "password"), "ca_file": str(tmp_path / "ca.crt")}
    said = [
        await reading(f"unix:{balancer.user}"),
        await reading(f"unix:{balancer.operator}"),
        await reading(f"tcp://127.0.0.1:{balancer.tcp_port}"),
        await reading(f"https://localhost:{balancer.page_port}/stats", **login),
    ]
    for one in said:
        rows = {(row.proxy, row.name): row for row in one.rows}
        server = rows["kube", "cp1"]
        assert (server.kind, server.status, server.check, server.said) == (RowKind.SERVER, "DOWN", "L4CON", "Connection refused")
        assert (server.went_down, server.mode, server.code) == (1, "tcp", None)
        assert server.changed_s is not None
        assert rows["kube", "FRONTEND"].kind is RowKind.FRONTEND
        assert rows["kube", "FRONTEND"].session_limit
        assert (rows["kube", "BACKEND"].kind, rows["kube", "BACKEND"].status) == (RowKind.BACKEND, "DOWN")
    assert [bool(one.version) for one in said] == [True, True, True, False]
    assert said[0].uptime_s is not None
    assert (said[0].connection_limit or 0) > (said[0].connections or 0)
    # Only who may do more than look is told addresses, and who asks a page that shows them.
    addresses = ["" if not row.address else "told" for one in said for row in one.rows if row.name == "cp1"]
    assert addresses == ["", "told", "", "told"]


async def test_a_page_whose_server_is_not_verified_gets_no_password(balancer: Haproxy, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    url = f"https://localhost:{balancer.page_port}/stats"
    error = await refusal(url, user="ann", password_file=str(tmp_path / "password"))
    assert error.what.startswith("its TLS is not good: ")
    assert "certificate verify failed" in error.what


async def test_what_a_page_does_not_give_is_said_with_what_to_do(balancer: Haproxy, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(authority.pem)
    ca = {"ca_file": str(tmp_path / "ca.crt")}
    error = await refusal(f"https://localhost:{balancer.page_port}/stats", **ca)
    assert (error.what, error.next) == ("it wants other credentials (401)", "Give user and password_file beside it.")
    error = await refusal(f"https://localhost:{balancer.page_port}/elsewhere", **ca)
    assert (error.what, error.next) == ("it answers 503", "Give the path that 'stats uri' has in its configuration.")


async def test_a_file_that_cannot_be_read_is_said_and_nothing_is_asked(tmp_path: Path) -> None:
    missing = tmp_path / "password"
    with servers() as given:
        port = given.status(200)
        error = await refusal(f"https://127.0.0.1:{port}/stats", user="ann", password_file=str(missing))
    assert error.what == f"the file {missing} cannot be read (No such file or directory)"
    (tmp_path / "ca.crt").write_text("no certificate")
    error = await refusal("https://127.0.0.1:1/stats", ca_file=str(tmp_path / "ca.crt"))
    assert error.what.startswith("the CA bundle cannot be read")


def test_what_could_give_the_password_away_is_known_to_who_redacts(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    url = "https://lb/stats"
    access = balancer_access(Balancer(url=url, user="ann", password_file=str(tmp_path / "password")))
    assert PASSWORD in access.secrets
    assert access.headers["Authorization"].removeprefix("Basic ") in access.secrets
    assert PASSWORD not in repr(access)
    assert access.headers["Authorization"] not in repr(access)


@pytest.mark.parametrize("scheme", ["http", "https", "tcp"])
async def test_a_port_that_is_closed_is_refused(scheme: str) -> None:
    error = await refusal(f"{scheme}://127.0.0.1:{free_port()}/stats" if scheme != "tcp" else f"tcp://127.0.0.1:{free_port()}")
    assert (error.what, error.how) == ("it cannot be connected to: Connection refused", Failure.CONNECTION_REFUSED)


async def test_a_socket_that_nobody_has_is_refused(tmp_path: Path) -> None:
    error = await refusal(f"unix:{tmp_path / 'none.sock'}")
    assert (error.what, error.how) == ("it cannot be connected to: No such file or directory", Failure.CONNECTION_REFUSED)


@pytest.mark.parametrize(("scheme", "how"), [("http", Failure.HTTP_TIMEOUT), ("tcp", Failure.HTTP_TIMEOUT)])
async def test_who_takes_a_connection_and_says_nothing_is_silent(scheme: str, how: Failure) -> None:
    with servers() as given:
        error = await refusal(f"{scheme}://127.0.0.1:{given.silent()}")
    assert (error.what, error.how) == ("the connection is taken, and nothing is answered within 2 s", how)


async def test_a_frozen_balancer_is_silent(tmp_path: Path) -> None:
    with haproxy(tmp_path, "") as process:
        process.freeze()
        error = await refusal(f"unix:{process.user}")
    assert error.how is Failure.HTTP_TIMEOUT


@pytest.mark.parametrize("scheme", ["http", "tcp"])
async def test_who_does_not_take_connections_is_not_there(scheme: str) -> None:
    with servers() as given:
        error = await refusal(f"{scheme}://127.0.0.1:{given.full()}")
    assert (error.what, error.how) == ("nothing answers there within 1.6 s", Failure.CONNECT_TIMEOUT)


@pytest.mark.parametrize("text", [b"", b"SSH-2.0-x\r\n", b"Permission denied\n\n", b"<html>", b"pxname,svname\n"])
async def test_what_is_no_haproxy_is_said_to_be_none(text: bytes) -> None:
    with servers() as given:
        error = await refusal(f"tcp://127.0.0.1:{given.saying(text)}")
    assert error.what.startswith("what answers is no HAProxy that tells its statistics")


async def test_a_redirect_leads_nowhere() -> None:
    with servers() as given:
        other = given.status(200)
        to = f"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{other}/\r\nContent-Length: 0\r\n\r\n".encode()
        error = await refusal(f"http://127.0.0.1:{given.saying(to)}/stats")
    assert error.what == "it answers 302"


async def test_nothing_but_the_questions_is_ever_sent() -> None:
    heard: dict[str, bytes] = {}

    def listen(name: str) -> Callable[[socket.socket], None]:
        def answer(link: socket.socket) -> None:
            link.settimeout(5)
            heard[name] = link.recv(65536)
            link.sendall(b"HTTP/1.0 200 OK\r\n\r\n# pxname,svname\n" if name == "page" else b"# pxname,svname\n")
            link.shutdown(socket.SHUT_WR)
            done.release()

        return answer

    done = threading.Semaphore(0)
    with servers() as given:
        await reading(f"tcp://127.0.0.1:{given.answering(listen('socket'))}")
        await reading(f"http://127.0.0.1:{given.answering(listen('page'))}/haproxy?stats")
        assert all(done.acquire(timeout=10) for _ in heard)
    assert heard["socket"] == b"show info;show stat\n"
    assert heard["page"].startswith(b"GET /haproxy?stats;csv HTTP/1.1\r\n")
    assert heard["page"].endswith(b"\r\n\r\n")


async def test_an_answer_without_an_end_is_read_to_its_bound() -> None:
    line = b"kube,cp1,UP\n"

    def endless(link: socket.socket) -> None:
        link.recv(4096)
        link.sendall(b"# pxname,svname,status\n")
        while True:
            link.sendall(line * 5000)

    with servers() as given:
        said = await reading(f"tcp://127.0.0.1:{given.answering(endless)}")
    assert not said.complete
    assert {row.status for row in said.rows} == {"UP"}
    assert len(said.rows) == MAX_ROWS


async def test_an_answer_of_one_endless_line_is_read_to_its_bound() -> None:
    def endless(link: socket.socket) -> None:
        link.recv(4096)
        link.sendall(b"# pxname,svname,status\nkube,cp1,UP\nkube,cp2,")
        while True:
            link.sendall(b"U" * MAX_BYTES)

    with servers() as given:
        said = await reading(f"tcp://127.0.0.1:{given.answering(endless)}")
    assert not said.complete
    assert [row.name for row in said.rows] == ["cp1"]


# The table

OLDER = "# pxname,svname,qcur,scur,slim,status,weight,lastchg,downtime,type,check_status,check_code,last_chk,"
"""Some of the columns that an HAProxy 1.8 has."""
NEWER = "# pxname,svname,status,type,mode,addr,check_status,check_code,last_chk,proto,pid,agg_check_status,"
PROCESS = "Name: HAProxy\nVersion: 2.6.12\n"
ROW = "kube,cp1,DOWN,2,L7STS,401,Unauthorized"


@pytest.mark.parametrize(
    "text",
    [
        f"{OLDER}\nkube,cp1,0,7,100,DOWN,1,63,63,2,L7STS,401,Unauthorized,\n",
        f"{NEWER}\nkube,cp1,DOWN,2,tcp,10.0.0.11:6443,L7STS,401,Unauthorized,,1,x,\n",
        "# pxname,svname,last_chk,check_code,check_status,status\r\nkube,cp1,Unauthorized,401,L7STS,DOWN\r\n",
        "# pxname,svname,status,check_status,check_code,last_chk,status\nkube,cp1,DOWN,* L7STS,401,Unauthorized,UP\n",
        f'{PROCESS}\n# pxname,svname,status,type,check_status,check_code,last_chk\nkube,cp1,DOWN,2,L7STS,401,"Unauthorized"\n',
        f"{PROCESS}\n# pxname,svname,status,type,check_status,check_code,last_chk\nkube,sock-1,OPEN,3,,,\n{ROW}\n\n",
    ],
)
def test_columns_are_known_by_their_names(text: str) -> None:
    (row,) = parse(text).rows
    assert (row.proxy, row.name, row.kind, row.status) == ("kube", "cp1", RowKind.SERVER, "DOWN")
    assert (row.check, row.code, row.said) == ("L7STS", 401, "Unauthorized")


def test_what_a_table_lacks_is_unknown_and_no_zero() -> None:
    (row,) = parse("# pxname,svname,status\nkube,cp1,UP\n").rows
    assert {row.code, row.changed_s, row.went_down, row.sessions, row.queued, row.weight} == {None}


def test_text_from_the_table_is_bounded_and_on_one_line() -> None:
    table = io.StringIO()
    csv.writer(table).writerow(["kube", "cp1", "DOWN", "a\nb\x1b[31m" + "c" * 5000, "9" * 40])
    (row,) = parse(f"# pxname,svname,status,last_chk,lastchg\n{table.getvalue()}").rows
    assert row.said.startswith("a b [31mccc")
    assert len(row.said) == 200
    assert row.changed_s is None


def test_a_time_that_no_calendar_has_is_unknown() -> None:
    """A counter that ran over is no reason to say nothing of the server."""
    table = "# pxname,svname,status,lastchg,downtime,type\nkube,cp1,UP,{0},{0},2\n"
    said = [parse(f"Uptime_sec: {seconds}\n{table.format(seconds)}") for seconds in (86_400, 999_999_999_999)]
    assert [(one.uptime_s, one.rows[0].changed_s, one.rows[0].down_s) for one in said] == [(86_400,) * 3, (None,) * 3]


def test_a_row_that_was_cut_off_is_left_out() -> None:
    said = parse("# pxname,svname,status\nkube,cp1,UP\nkube,cp2,DO", complete=False)
    assert [row.name for row in said.rows] == ["cp1"]
    assert not said.complete


def understood(text: str, *, complete: bool = True) -> BalancerStatistics:
    """Nothing when it is no table; any other error is a defect."""
    try:
        return parse(text, complete=complete)
    except Unavailable:
        return BalancerStatistics(rows=())


CELLS = st.text(alphabet=st.sampled_from('a,"\n\r\0\x1b\x85#0129 -*UPéß\U0001f600'), max_size=12)


@given(st.lists(CELLS, max_size=8), st.lists(st.lists(CELLS, max_size=12), max_size=6), st.text(max_size=40), st.booleans())
@example([], [], "", True)
def test_whatever_stands_in_a_table_is_rows_or_a_reason(
    names: list[str], lines: list[list[str]], before: str, complete: bool
) -> None:
    text = f"{before}\n# pxname,{','.join(names)}\n" + "\n".join(",".join(line) for line in lines)
    said = understood(text, complete=complete)
    for row in said.rows:
        assert row.proxy
        assert row.name
        assert all(
            len(value) <= 200 and value.isprintable() for value in (row.proxy, row.name, row.status, row.said, row.address)
        )


@given(st.binary(max_size=300))
def test_whatever_answers_is_rows_or_a_reason(answer: bytes) -> None:
    for text in (answer, b"# pxname,svname,status,type\n" + answer):
        understood(text.decode("utf-8", "replace"))


class Told(SystemResolver):
    """Names that no system knows, without the event loop's threads."""

    async def addresses(self, name: str) -> tuple[str, ...]:
        return {"lb.example": ("127.0.0.1",), "half.example": ("127.0.0.9", "127.0.0.1")}[name]


@pytest.mark.parametrize(("scheme", "name"), [("http", "lb.example"), ("tcp", "lb.example"), ("tcp", "half.example")])
async def test_names_are_looked_up_in_threads_that_nobody_waits_for(scheme: str, name: str) -> None:
    async def tells(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" if scheme == "http" else b"")
        writer.write(b"# pxname,svname,type\nkube,cp1,2\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(tells, "127.0.0.1", 0)
    async with server:
        one = Balancer(url=f"{scheme}://{name}:{server.sockets[0].getsockname()[1]}")
        said = await HaproxyStatistics([BalancerAccess(balancer=one)], timeout_s=5, names=Told()).read(one)
    assert [row.name for row in said.rows] == ["cp1"]


async def test_a_name_that_nobody_can_have_is_said() -> None:
    error = await refusal(f"tcp://{'a' * 64}.example:9999")
    assert "it cannot be connected to" in error.what or "nobody can have its name" in error.what


def test_an_access_is_asked_by_its_balancer() -> None:
    one = Balancer(url="unix:/run/haproxy.sock", backend="kube")
    assert HaproxyStatistics([BalancerAccess(balancer=one)]).balancers == (one,)
    assert (one.called, one.place) == ("/run/haproxy.sock", None)
    assert str(Balancer(url="https://lb.example.com/stats").place) == "lb.example.com:443"
