"""Whether a machine, a model and an index are fit to serve, and how fast the answers come."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tryghed_search import store
from tryghed_search.errors import TryghedError
from tryghed_search.feedback import Book
from tryghed_search.loading import Loader, reports_folder
from tryghed_search.passages import Question
from tryghed_search.postgres.database import Database

if TYPE_CHECKING:
    from tryghed_search.search import Searcher
    from tryghed_search.settings import Settings

WORKER_MB = 1100
"""Memory of one process under load with the bundled model, while it takes a new index."""
SPARE_FILES = 100
"""File descriptors beside those of connections: the index, sockets, libraries."""
ASKED = "Hvad kan en kommune gøre for trygheden?"
TIMES = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing: fit or not, and the figure or what to do."""

    what: str
    fit: bool
    says: str


def check(settings: Settings) -> Iterator[Finding]:
    """Look at one thing after the other; what rests on a thing that is not fit is left out."""
    yield _memory(settings)
    yield _files(settings)
    yield _disk(settings)
    yield from _rights(settings)
    loader = Loader(settings)
    began = time.perf_counter()
    model = _attempt("model", lambda: _model(loader))
    yield model
    if not model.fit:
        return
    if settings.store:
        database = _database(settings)
        yield database
        if not database.fit:
            return
    loaded: list[Searcher] = []
    index = _attempt("index", lambda: _index(loader, loaded))
    yield index
    if index.fit:
        yield from _answers(loaded[0], time.perf_counter() - began)


def _attempt(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except TryghedError as error:
        return Finding(what, False, str(error))


# --- the machine ----------------------------------------------------------------------------------


def _memory(settings: Settings) -> Finding:
    free = available_mb()
    needed = WORKER_MB * settings.workers
    return Finding(
        "memory",
        free >= needed,
        f"{free} MB available, {needed} MB needed for {settings.workers} process(es)",
    )


def _group() -> Path:
    """The folder of the control group (version 2) that a unit or container runs in."""
    named = Path("/proc/self/cgroup").read_text(encoding="utf-8").partition("0::/")[2]
    return Path("/sys/fs/cgroup") / named.partition("\n")[0]


def available_mb(meminfo: Path = Path("/proc/meminfo"), group: Path | None = None) -> int:
    """Memory to be had, in MB: the machine's, or what its control group leaves if that is less."""
    group = group or _group()
    lines = dict(line.split(":") for line in meminfo.read_text(encoding="ascii").splitlines())
    free = int(lines["MemAvailable"].split()[0]) // 1024
    try:
        most = (group / "memory.max").read_text(encoding="ascii").strip()
        used = int((group / "memory.current").read_text(encoding="ascii"))
    except OSError:
        return free
    return free if most == "max" else min(free, (int(most) - used) // 1024**2)


def _files(settings: Settings) -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.connections + SPARE_FILES
    fit = soft == resource.RLIM_INFINITY or soft >= needed
    advice = "" if fit else "; raise it (LimitNOFILE) or lower TRYGHED_CONNECTIONS"
    return Finding(
        "open files", fit, f"{soft} allowed, {needed} needed for connections and files{advice}"
    )


def _disk(settings: Settings) -> Finding:
    """Room for another index beside the one in force."""
    folder = settings.index_folder()
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    try:
        files = store.read_manifest(folder).files.values()
        needed = 2 * sum(int(entry["bytes"]) for entry in files)
    except (TryghedError, KeyError, ValueError, TypeError):
        needed = 50 * 1024**2
    return Finding(
        "disk",
        free >= needed,
        f"{free // 1024**2} MB free at {there}, {needed // 1024**2 + 1} MB needed for the next "
        "ingest",
    )


# --- rights ---------------------------------------------------------------------------------------


def _rights(settings: Settings) -> Iterator[Finding]:
    open_ = [path for path in _trusted(settings) if _others_may_write(path)]
    yield Finding(
        "rights",
        not open_,
        f"everybody may write to {', '.join(map(str, open_))}; take that right away (chmod o-w)"
        if open_
        else "no other user may write to index, reports, model or settings",
    )
    root = os.geteuid() == 0
    yield Finding(
        "user", True, "root; better a user of its own" if root else f"user {os.geteuid()}, not root"
    )
    if settings.feedback is not None:
        path, days = settings.feedback, settings.feedback_days
        yield _attempt("feedback", lambda: f"kept in {Book(path, days).path} for {days} days")


def _trusted(settings: Settings) -> Iterator[Path]:
    """Places that decide what is served."""
    folder = settings.index_folder()
    yield from (folder, folder / store.MANIFEST, reports_folder(settings), settings.cache)
    if named := os.environ.get("TRYGHED_CONFIG"):
        yield Path(named)


def _others_may_write(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return False


# --- model, index and answers ---------------------------------------------------------------------


def _model(loader: Loader) -> str:
    began = time.perf_counter()
    identity = loader.encoder.identity
    return (
        f"{identity.name} {identity.version}, {identity.sha256[:12]}, loaded in "
        f"{time.perf_counter() - began:.1f} s"
    )


def _database(settings: Settings) -> Finding:
    """Every host by itself: reading and writing go on as long as some of them answer."""
    try:
        hosts = list(Database(settings.store).hosts())
    except TryghedError as error:
        return Finding("database", False, str(error))
    leads = any(host.leads for host in hosts)
    says = "; ".join(f"{host.name} {host.says}" for host in hosts)
    return Finding(
        "database",
        leads and all(host.answers for host in hosts),
        says if leads else f"{says}; none of them takes writes, so no report can be brought in",
    )


def _index(loader: Loader, loaded: list[Searcher]) -> str:
    manifest, searcher = loader.load()
    loaded.append(searcher)
    return f"{loader.store.name}, {manifest.counts['passages']} passages, built {manifest.built}"


def _answers(searcher: Searcher, loading: float) -> Iterator[Finding]:
    times = []
    for number in range(TIMES):
        began = time.perf_counter()
        searcher.ask(Question(f"{ASKED} {number}"))
        times.append(time.perf_counter() - began)
    yield Finding(
        "first answer",
        True,
        f"{loading + times[0]:.1f} s from the start, {1000 * times[0]:.0f} ms of it the answer; "
        f"the next ones {1000 * statistics.median(times[1:]):.0f} ms",
    )
