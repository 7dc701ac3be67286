"""How the program is put together: which module may know which, and what stays out of it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "tryghed_search"
PACKAGE = "tryghed_search"

LAYERS: tuple[tuple[str, str], ...] = (
    ("the words that all share", "passages errors documents"),
    ("pure: language and numbers", "answer_types danish denmark notices confidence ranking"),
    ("pure, with their help", "outline places quoting wording blocks"),
    ("pure, from those", "chunking conversation drafting finding reader_questions topics"),
    (
        "the model that comes along, its arithmetic, others' documents",
        "bundled linear extracting",
    ),
    ("the model's network", "bert"),
    ("the model, FAISS, BM25, PostgreSQL", "embedding vectors lexical reader postgres.database"),
    ("a second model, by setting", "reranking"),
    (
        "token vectors, sums, writing to a folder, reports as JSON",
        "tokens postgres.totals locking report_json",
    ),
    ("the index on disk, rows of the database", "store pieces postgres.details"),
    ("what the model makes of many texts", "encodings"),
    ("settings, ingest, measuring", "settings build metrics logs"),
    ("what search asks of a store, documents made reports", "retrieval adding"),
    (
        "the index of one process as such a store, scores, tables of the database",
        "memory scoring postgres.schema",
    ),
    ("search, what is in force in the database", "search postgres.versions postgres.report"),
    ("what is written there and read once", "postgres.ingest postgres.corpus"),
    ("what of it is asked", "postgres.cosines"),
    ("what of it is found", "postgres.likely"),
    ("search in the database", "postgres.search"),
    ("measuring, where reports are kept", "evaluation beir stores headers feedback"),
    ("loading", "loading"),
    ("around requests", "engine limits observing connections"),
    ("serving", "serving"),
    ("keeping up with the index, whether all is fit", "reloading checking"),
    ("errors over HTTP", "problems"),
    ("what readers see, and from where", "views sharing"),
    ("the report to read", "reading"),
    ("what they see of cases", "case_views"),
    ("what they see of topics", "topic_views compare_views"),
    ("routes", "api pages"),
    ("routes in the pages' frame, routes to other pages", "topic_pages widget"),
    ("the application", "app"),
    ("the process", "running"),
    ("the terminal", "printing"),
    ("the command line", "cli"),
    ("where the command begins", "__main__"),
)
"""The order in which data flows. A module may import those in the rows above its own, no other."""

PURE = [name for layer, names in LAYERS[:4] for name in names.split()]
ALLOWED_IN_PURE = {"numpy", "Stemmer", "rapidfuzz", PACKAGE} | set(sys.stdlib_module_names)
TOUCHES_THE_WORLD = {"os", "pathlib", "io", "socket", "subprocess", "shutil", "tempfile", "time"}
ONLY_IN = {
    "faiss": {"vectors"},
    "psycopg": {"postgres.database"},
    "psycopg_pool": {"postgres.database"},
    "pgvector": {"postgres.database"},
    "sentence_transformers": {"embedding", "reranking"},
    "bm25s": {"lexical"},
    "scipy": {"lexical"},
    "torch": {"bert", "embedding", "linear", "reader"},
    "fastapi": {"api", "app", "pages", "problems", "running", "serving", "topic_pages", "widget"},
    "uvicorn": {"connections", "running"},
    "prometheus_client": {"app", "metrics", "running"},
    "typer": {"cli", "printing"},
    "pypdfium2": {"extracting"},
    "docx": {"extracting"},
    "markdown_it": {"extracting"},
    "pydantic_settings": {"settings"},
}
HEAVY = {"faiss", "sentence_transformers", "bm25s", "torch", "transformers", "fastapi", "numpy"}


@cache
def modules() -> dict[str, ast.Module]:
    return {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts): ast.parse(
            path.read_text(encoding="utf-8")
        )
        for path in SOURCE.rglob("*.py")
        if path.stem != "__init__"
    }


def imported(tree: ast.AST) -> set[str]:
    """Every module that is imported anywhere in a tree, also for types only."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


def siblings(name: str) -> set[str]:
    """The modules of the program that a module imports."""
    found = imported(modules()[name])
    return {other for other in modules() if f"{PACKAGE}.{other}" in found}


def row(name: str) -> int:
    rows = [n for n, (_, names) in enumerate(LAYERS) if name in names.split()]
    assert len(rows) == 1, f"{name} needs its one place in LAYERS"
    return rows[0]


def test_every_place_is_that_of_a_module() -> None:
    placed = [name for _, names in LAYERS for name in names.split()]
    assert sorted(placed) == sorted(modules())


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_module_knows_only_those_before_it(name: str) -> None:
    for other in siblings(name):
        assert row(other) < row(name), f"{name} imports {other}"


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_touches_nothing_but_its_arguments(name: str) -> None:
    roots = {i.split(".")[0] for i in imported(modules()[name])}
    assert roots <= ALLOWED_IN_PURE
    assert roots & TOUCHES_THE_WORLD == set()
    assert siblings(name) <= set(PURE)


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_a_library_is_known_in_one_place(library: str) -> None:
    knowing = {
        name
        for name, tree in modules().items()
        if library in {i.split(".")[0] for i in imported(tree)}
    }
    assert knowing == ONLY_IN[library]


def loaded_by(module: str, libraries: set[str]) -> set[str]:
    """Which of the libraries a fresh Python has loaded once it has imported the module."""
    code = f"import sys, {PACKAGE}.{module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return libraries & set(done.stdout.split())


def test_the_command_line_loads_nothing_heavy() -> None:
    assert loaded_by("cli", HEAVY) == set()


def test_the_libraries_of_model_and_index_are_loaded_when_first_needed() -> None:
    for module in ("build", "app"):
        libraries = {"faiss", "sentence_transformers", "bm25s", "transformers"}
        assert loaded_by(module, libraries) == set()


def test_a_file_has_about_four_hundred_lines_at_most() -> None:
    long = {
        path.relative_to(ROOT).as_posix(): lines
        for path in SOURCE.rglob("*.py")
        if (lines := path.read_text(encoding="utf-8").count("\n")) > 400
    }
    assert long == {}


def test_nothing_is_unpickled_anywhere() -> None:
    for name, tree in modules().items():
        roots = {i.split(".")[0] for i in imported(tree)}
        assert roots.isdisjoint({"pickle", "shelve", "marshal", "joblib", "dill"}), name
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
                assert isinstance(node.value, ast.Constant)
                assert node.value.value is False, name
            if isinstance(node, ast.keyword) and node.arg == "weights_only":
                assert isinstance(node.value, ast.Constant)
                assert node.value.value is True, name
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"np.load", "np.save"}:
                assert "allow_pickle" in {k.arg for k in node.keywords}, name


def test_nothing_is_printed_but_by_the_command_line() -> None:
    for name, tree in modules().items():
        called = {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
        assert "print" not in called, name


# --- what is in the repository --------------------------------------------------------------------

# Written so that this file does not hold what it looks for.
MACHINE_PATHS = re.compile(
    r"(?<![\w.~-])/(?:home|root|Users|work|opt/(?:wheels|pypi))/(?!nobody\b)[\w.]"
    r"|(?<![\w.-])/t" + r"mp/w/"
)
REGISTRIES = re.compile(
    "|".join(
        (
            "py" + r"pi\.org",
            r"files\." + "pythonhosted",
            r"download\." + "pytorch",
            r"registry\." + "npmjs",
            "--(?:extra-)?index" + "-url",
            "--find" + "-links",
            "--trusted" + "-host",
        )
    )
)


@cache
def repository() -> tuple[Path, ...]:
    """The files that are tracked or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("no git repository here: what is tracked is not known")
    paths = (ROOT / name for name in listed.stdout.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in repository():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
            for number, line in enumerate(text.splitlines(), start=1)
            if pattern.search(line)
        ]
    return found


def test_the_patterns_find_what_they_look_for() -> None:
    for path in (
        "/ho" + "me/me/x",
        "cd /wo" + "rk/main",
        '"/ro' + 'ot/.cache"',
        "/t" + "mp/w/v",
    ):
        assert MACHINE_PATHS.search(path)
    for path in ("/rapport/x", "https://host/home/x", "~/work/x", "a/root/b", "/home/nobody"):
        assert not MACHINE_PATHS.search(path)
    assert REGISTRIES.search("https://" + "py" + "pi.org/simple")


def test_no_path_of_a_machine_is_in_the_repository() -> None:
    assert lines_with(MACHINE_PATHS) == []


def test_no_address_of_a_package_registry_is_in_the_repository() -> None:
    assert lines_with(REGISTRIES) == []


def test_no_large_or_built_file_is_in_the_repository() -> None:
    built = re.compile(r"\.(?:faiss|npy|pyc|whl|onnx)$|(?:^|/)(?:\.venv|build|dist|__pycache__)/")
    for path in repository():
        name = path.relative_to(ROOT).as_posix()
        assert not built.search(name), name
        assert path.stat().st_size < 5_000_000, name
