"""The real parts, made once: the bundled model, an index of the real report, a real server."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# As the command does: threads that wait do not spin. Read when numpy and torch are loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
from fastapi.testclient import TestClient
from hypothesis import settings as hypothesis_settings
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests import hosting
from tryghed_search import build, store
from tryghed_search.app import create_app
from tryghed_search.embedding import Encoder
from tryghed_search.feedback import Book
from tryghed_search.passages import Report
from tryghed_search.search import Searcher
from tryghed_search.settings import Settings

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "ingest"
REPORT = REPORTS / "lokal-tryghed-1"
NOBODY = 65534
# How long an example takes says more of the machine's other work than of ours.
hypothesis_settings.register_profile("house", deadline=None)
hypothesis_settings.register_profile("soak", deadline=None, max_examples=20_000)
hypothesis_settings.load_profile("house")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run --disable-quic"
)


@pytest.fixture(scope="session", autouse=True)
def _settings_of_the_machine_do_not_count() -> None:
    for name in list(os.environ):
        if name.startswith("TRYGHED_") and name != "TRYGHED_CACHE":
            del os.environ[name]


@pytest.fixture(scope="session")
def report_text() -> str:
    return (REPORT / "report.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def source() -> build.Source:
    (found,) = build.read_reports(REPORTS)
    return found


@pytest.fixture(scope="session")
def report(source: build.Source) -> Report:
    return source.report


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    return Encoder(cache=Settings().cache)


@pytest.fixture(scope="session")
def index_folder(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "index"
    build.build_index(REPORTS, folder, encoder)
    return folder


@pytest.fixture(scope="session")
def loaded(index_folder: Path, encoder: Encoder) -> tuple[store.Manifest, Searcher]:
    manifest, contents = store.load(index_folder, encoder.identity)
    return manifest, Searcher(contents, encoder)


@pytest.fixture(scope="session")
def searcher(loaded: tuple[store.Manifest, Searcher]) -> Searcher:
    return loaded[1]


@pytest.fixture(scope="session")
def client(loaded: tuple[store.Manifest, Searcher]) -> Iterator[TestClient]:
    with TestClient(create_app(loaded), raise_server_exceptions=False) as client:
        yield client


def make_cross_encoder(folder: Path, labels: int = 1, sign: float = 1.0) -> Path:
    """A BERT that scores pairs, its weights as they are drawn, saved as models are saved.

    With the sign turned it gives the opposite scores.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
    from transformers.utils import logging

    logging.disable_progress_bar()
    folder.mkdir(parents=True)
    letters = [*map(chr, range(0x21, 0x7F)), *"æøåéü«»–"]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    (folder / "vocab.txt").write_text("\n".join(dict.fromkeys(pieces)), encoding="utf-8")
    tokenizer = BertTokenizerFast(
        str(folder / "vocab.txt"), strip_accents=False, model_max_length=512
    )
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        initializer_range=0.2,  # so that the scores of two texts are well apart
        num_labels=labels,
    )
    torch.manual_seed(7)
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        model.classifier.weight.mul_(sign)
    model.save_pretrained(folder)
    return folder


def damaged(model: Path, folder: Path, damage: str) -> Path:
    """A copy of a model's folder that is none: "empty", or with half its "weights" or "config"."""
    if damage == "empty":
        folder.mkdir()
        return folder
    shutil.copytree(model, folder)
    if damage == "weights":
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
    else:
        (folder / "config.json").write_text("{", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small cross-encoder."""
    return make_cross_encoder(tmp_path_factory.mktemp("models") / "lille-cross-encoder")


@pytest.fixture(scope="session")
def server_url(index_folder: Path) -> Iterator[str]:
    """The address of a real server process over the real index."""
    port = free_port()
    process = subprocess.Popen(
        [*command(), "serve", "--port", str(port), "--index", str(index_folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TRYGHED_RATE": "0"},  # all tests are one client
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(lambda: _answers(f"{url}/readyz") or process.poll() is not None)
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=30)


def configured(**given: Any) -> Settings:
    """Settings as a test gives them, without a limit for each client."""
    return Settings(**{"rate": 0.0, **given})


@pytest.fixture(scope="session")
def operated_url(
    loaded: tuple[store.Manifest, Searcher], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a server as an operator may set it: the other theme, and feedback."""
    book = Book(tmp_path_factory.mktemp("feedback") / "feedback.jsonl", days=30)
    with hosting.serving(create_app(loaded, book, configured(theme="fds"))) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS.split()
        )
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the console complained of and which other origins were asked; empty it if expected."""
    return []


@pytest.fixture
def options() -> dict[str, Any]:
    """What the page's browser context is made with; a test gives its own with parametrize."""
    return {}


@pytest.fixture
def context(
    browser: Browser, server_url: str, options: dict[str, Any], complaints: list[str]
) -> Iterator[BrowserContext]:
    context = browser.new_context(base_url=server_url, locale="da-DK", **options)
    context.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on(
        "request",
        lambda r: None if r.url.startswith(server_url) else complaints.append(r.url),
    )
    yield context
    context.close()
    assert complaints == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture(scope="session")
def host() -> Iterator[hosting.Host]:
    """Somebody else's web server."""
    with hosting.hosting() as host:
        yield host


@pytest.fixture(scope="session")
def widget_url(loaded: tuple[store.Manifest, Searcher], host: hosting.Host) -> Iterator[str]:
    """The address of a server that the host's pages may ask and frame."""
    with hosting.serving(
        create_app(loaded, settings=configured(allowed_origins=(host.origin,)))
    ) as url:
        yield url


@pytest.fixture
def known(host: hosting.Host, widget_url: str) -> list[str]:
    """How the addresses begin that a visitor's browser may ask; a test may add its own."""
    return [host.origin, host.elsewhere, widget_url]


@pytest.fixture
def visitor(
    browser: Browser,
    known: list[str],
    options: dict[str, Any],
    complaints: list[str],
) -> Iterator[BrowserContext]:
    """A browser context on the host's pages; nothing but what is known may be asked."""
    context = browser.new_context(locale="da-DK", **options)
    context.set_default_timeout(15_000)
    context.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on(
        "request",
        lambda r: None if r.url.startswith(tuple(known)) else complaints.append(r.url),
    )
    yield context
    context.close()
    assert complaints == []


@pytest.fixture
def guest(visitor: BrowserContext) -> Page:
    """A tab of the visitor's."""
    return visitor.new_page()


def command() -> list[str]:
    """The installed command, run by this Python."""
    return [sys.executable, "-m", "tryghed_search"]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _wait(condition: object, seconds: float = 180.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the server did not become ready"
        time.sleep(0.1)


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file may grow beyond ``size``: what a quota does, on any machine."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def without_rights(folder: Path) -> Iterator[None]:
    """As a user who may read ``folder`` but not write there."""
    if os.geteuid() == 0:  # root may write anywhere, so become another user for a moment
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        folder.chmod(0o555)
        try:
            yield
        finally:
            folder.chmod(0o755)
