"""A real HAProxy before the API servers, in TCP mode, and what its statistics say."""

from __future__ import annotations

import csv
import io
import socket
import subprocess
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.lab.network import Host
from tests.lab.planes import Server
from tests.lab.processes import wait_until

CHECK = "option httpchk GET /readyz"


@dataclass(frozen=True)
class Backend:
    """One server's row of the statistics. ``status`` is UP, DOWN or ``no check``; ``check`` is such as L4CON, L7STS, L7TOUT."""

    status: str
    check: str
    code: str
    refused: int
    redispatched: int
    sessions: int


@cache
def exports_metrics() -> bool:
    """Whether this HAProxy was built with the exporter for Prometheus."""
    said = subprocess.run(["haproxy", "-vv"], capture_output=True, text=True, timeout=20, check=False).stdout
    return "prometheus-exporter" in said


class Balancer(Server):
    """HAProxy on its host. ``servers`` are addresses with ports by name; ``port`` is where clients find it, ``page`` the port and
    path of its statistics page."""

    def __init__(self, host: Host, folder: Path, *, port: int, servers: Mapping[str, str], page: tuple[int, str]) -> None:
        super().__init__(host, "haproxy", folder)
        self.port = port
        self.page_port, self._path = page
        self.servers = dict(servers)
        self._config = folder / "haproxy.cfg"
        self._socket = folder / "haproxy.sock"

    @property
    def page(self) -> str:
        """The URL of its statistics page."""
        return f"http://{self.host.address}:{self.page_port}{self._path}"

    @property
    def metrics(self) -> str | None:
        """host:port of its metrics, where it has such."""
        return f"{self.host.address}:{self.page_port}" if exports_metrics() else None

    def config(
        self,
        *,
        check: str | None = CHECK,
        server_options: str = "check check-ssl verify none",
        servers: Mapping[str, str] | None = None,
        port: int | None = None,
        more: str = "",
    ) -> str:
        """A configuration's text. ``check`` None makes no checks; ``server_options`` end each server's line; ``more`` are lines
        of the section that lists the servers."""
        options = server_options if check is not None else ""
        places = "".join(
            f"  server {name} {place} {options}\n" for name, place in (self.servers if servers is None else servers).items()
        )
        exporter = "  http-request use-service prometheus-exporter if { path /metrics }\n" if exports_metrics() else ""
        return (
            f"global\n  stats socket {self._socket} mode 600 level admin\n"
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 10m\n  timeout server 10m\n  timeout check 5s\n"
            "  option redispatch\n  retries 3\n"
            f"frontend statistics\n  mode http\n  bind :{self.page_port}\n{exporter}  stats enable\n  stats uri {self._path}\n"
            f"frontend api\n  bind :{port or self.port}\n  default_backend control-plane\n"
            f"backend control-plane\n  balance roundrobin\n  {check or ''}\n  default-server inter 200ms fall 1 rise 1\n"
            f"  {more}\n{places}"
        )

    def start(self, config: str | None = None) -> None:
        """Starts it with this configuration, or the usual one; does not wait."""
        self._config.write_text(config or self.config())
        self._launch(["haproxy", "-db", "-f", str(self._config)])

    @contextmanager
    def killed(self) -> Generator[None]:
        """Dead until the block is left."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def frozen(self) -> Generator[None]:
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    @contextmanager
    def restarted(self, config: str) -> Generator[None]:
        """Runs with another configuration until the block is left; its statistics answer when this returns."""
        self.kill()
        self.start(config)
        try:
            wait_until(self.backends, "the balancer's statistics answer", within=10, process=self.process)
            yield
        finally:
            self.kill()
            self.start()

    def backends(self) -> dict[str, Backend]:
        """By server's name; empty when the balancer does not answer."""
        try:
            text = self.tell("show stat")
        except OSError:
            return {}
        rows = csv.DictReader(io.StringIO(text.lstrip("# ")))
        return {
            row["svname"]: Backend(
                status=row["status"],
                check=row["check_status"].lstrip("* "),
                code=row["check_code"],
                refused=int(row["econ"] or 0),
                redispatched=int(row["wredis"] or 0),
                sessions=int(row["scur"] or 0),
            )
            for row in rows
            if row["pxname"] == "control-plane" and row["svname"] != "BACKEND"
        }

    def wait_for(self, status: str, *names: str, check: str | None = None, within: float = 15) -> None:
        """Waits until these servers (all when none is named) have this status, and this check result where one is given."""

        def there() -> bool:
            rows = self.backends()
            found = [rows.get(name) for name in names or self.servers]
            return bool(rows) and all(
                row is not None and row.status == status and (check is None or row.check == check) for row in found
            )

        wait_until(there, f"the balancer sees {', '.join(names) or 'all'} {status} {check or ''}", within=within)

    @property
    def up(self) -> bool:
        rows = self.backends()
        return bool(rows) and all(row.status == "UP" for row in rows.values())

    def seen(self) -> str:
        """The servers as the statistics have them, in one line, for a fault's proof."""
        return ", ".join(f"{name} {row.status} {row.check} {row.code}".strip() for name, row in self.backends().items())

    def tell(self, command: str) -> str:
        """What it answers to a command at its statistics socket."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(2)
            link.connect(str(self._socket))
            link.sendall(command.encode() + b"\n")
            said = b""
            while part := link.recv(65536):
                said += part
        return said.decode()


def check_config(text: str, folder: Path) -> str:
    """What HAProxy itself says of a configuration; empty when it is fine."""
    path = folder / "checked.cfg"
    path.write_text(text)
    done = subprocess.run(["haproxy", "-c", "-f", str(path)], capture_output=True, text=True, timeout=20, check=False)
    return "" if done.returncode == 0 else done.stderr
