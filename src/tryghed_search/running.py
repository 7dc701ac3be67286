"""A server process, or several: uvicorn around the application, until it is told to stop."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from prometheus_client import multiprocess
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from tryghed_search import logs, metrics, settings
from tryghed_search.app import create_app
from tryghed_search.connections import ServerConfig
from tryghed_search.errors import NoIndexError, SettingsError, TryghedError
from tryghed_search.feedback import Book
from tryghed_search.loading import Loader
from tryghed_search.reloading import Reloader
from tryghed_search.serving import IndexHolder
from tryghed_search.settings import Settings

logger = logging.getLogger(__name__)


def listener(host: str, port: int) -> socket.socket:
    """A socket on that address, not listening yet; ``TryghedError`` if it cannot be had."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise TryghedError(
            f"Cannot listen on {host}, port {port}: {error.strerror}. Name another address with "
            "--host and --port, or stop the program that has it."
        ) from None
    return bound


def address(bound: socket.socket) -> str:
    """The address that a socket can be asked at."""
    host, port = bound.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def application(given: Settings, loader: Loader) -> FastAPI:
    """The application over the index in force, which it keeps up with."""
    loaded = loader.load()
    book = Book(given.feedback, given.feedback_days) if given.feedback else None

    async def watch(holder: IndexHolder) -> None:
        await Reloader(loader.store, loader.load, holder, given.reload_seconds).run()

    return create_app(
        loaded, book, given, watch if given.reload_seconds else None, lambda: loader.store.lost
    )


def serve(bound: socket.socket, given: Settings, app: FastAPI) -> None:
    """Serve in this process until told to stop; requests in progress are finished first."""
    with suppress(KeyboardInterrupt):
        uvicorn.Server(_config(app, given)).run(sockets=[bound])


def ready_for_workers(given: Settings) -> None:
    """See that there is an index, built by another process: this one is to stay small.

    Raises ``SettingsError`` for settings that several processes cannot have.
    """
    if given.feedback:
        raise SettingsError(
            "TRYGHED_FEEDBACK needs one process, for the file has one writer; set "
            "TRYGHED_WORKERS=1 or leave feedback out."
        )
    # What was given on the command line has to reach the other processes too.
    os.environ["TRYGHED_INDEX"] = str(given.index_folder().absolute())
    os.environ["TRYGHED_MODEL"] = given.model
    with suppress(NoIndexError):
        Loader(given).store.manifest()
        return
    command = [sys.executable, "-m", "tryghed_search", "ingest"]
    if subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:  # noqa: S603
        sys.exit(1)  # it has said why


def serve_with_workers(bound: socket.socket, given: Settings) -> None:
    """Serve in ``given.workers`` processes until told to stop.

    Ends with status 1 if a process cannot even begin; one that dies later is replaced.
    """
    gc.enable()  # this process stays, and loads no model
    folder = tempfile.mkdtemp(prefix="tryghed-metrics-")
    os.environ[metrics.FOLDER] = folder
    config = _config("tryghed_search.running:worker", given, factory=True, workers=given.workers)
    supervisor = Multiprocess(config, sockets=[bound])
    try:
        supervisor.run()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        sys.exit(1)


def worker() -> FastAPI:
    """The application of one process of several, from the settings in the environment."""
    given = settings.load()
    logs.configure(given.log_format)
    _forget_dead_workers()
    try:
        return application(given, Loader(given))
    except TryghedError as error:
        logger.error("cannot serve: %s", error)
        sys.exit(STARTUP_FAILURE)


def _forget_dead_workers() -> None:
    """Take what processes that are no more had in progress out of the metrics."""
    for path in Path(os.environ[metrics.FOLDER]).glob("gauge_live*_*.db"):
        process = int(path.stem.rpartition("_")[2])
        if not Path(f"/proc/{process}").exists():
            multiprocess.mark_process_dead(process)  # type: ignore[no-untyped-call]


def _config(app: Any, given: Settings, **more: Any) -> ServerConfig:
    return ServerConfig(
        app,
        read_seconds=given.read_seconds,
        write_seconds=given.write_seconds,
        connections=given.connections,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=bool(given.trusted_proxies),
        forwarded_allow_ips=list(given.trusted_proxies),
        timeout_graceful_shutdown=given.stop_seconds,
        timeout_worker_healthcheck=30,
        **more,
    )
