"""The command ``tryghed-search``.

Everything heavy is imported where it is used, so that ``--help`` is instant.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tryghed_search.embedding import Encoder
    from tryghed_search.search import Searcher
    from tryghed_search.settings import Settings
    from tryghed_search.store import Manifest

app = typer.Typer(
    name="tryghed-search",
    help="Ask TrygFonden's report Lokal Tryghed i praksis and get its own words, with citations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

IndexOption = Annotated[
    Path | None,
    typer.Option("--index", help="Folder of the index [env: TRYGHED_INDEX]", show_default=False),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", help="'bundled', a model folder or name [env: TRYGHED_MODEL]", show_default=False
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def main() -> None:
    """Run the command; a failure is one line on standard error and exit status 1."""
    from tryghed_search.errors import TryghedError

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        app()
    except TryghedError as error:
        typer.echo(f"tryghed-search: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _settings(index: Path | None, model: str | None) -> Settings:
    from pydantic import ValidationError

    from tryghed_search.errors import TryghedError
    from tryghed_search.settings import Settings

    given = {"index": index, "model": model}
    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = f"TRYGHED_{first['loc'][0]}".upper()
        raise TryghedError(f"The setting {name} cannot be used: {first['msg']}.") from None


def _encoder(settings: Settings) -> Encoder:
    from tryghed_search.embedding import Encoder

    return Encoder(settings.model, settings.cache)


def _reports_folder(settings: Settings) -> Path:
    if settings.reports is not None:
        return settings.reports
    from importlib.resources import files

    return Path(str(files("tryghed_search.ingest")))


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error; silent where that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _build(settings: Settings, encoder: Encoder) -> Manifest:
    from tryghed_search import build

    with _progress("Embedding") as progress:
        return build.build_index(
            _reports_folder(settings), settings.index_folder(), encoder, progress
        )


def _searcher(settings: Settings, encoder: Encoder) -> tuple[Manifest, Searcher]:
    from tryghed_search import store
    from tryghed_search.search import Searcher

    manifest, contents = store.load(settings.index_folder(), encoder.identity)
    return manifest, Searcher(contents, encoder)


@app.command()
def ingest(index: IndexOption = None, model: ModelOption = None) -> None:
    """Parse the reports, cut them into passages, embed them and write the index."""
    settings = _settings(index, model)
    folder = settings.index_folder()
    manifest = _build(settings, _encoder(settings))
    counts = manifest.counts
    typer.echo(
        f"Built {folder}: {counts['reports']} report(s), {counts['sections']} sections, "
        f"{counts['passages']} passages, {counts['vectors']} vectors "
        f"({manifest.model.name}, {manifest.model.dimension} dimensions)."
    )


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="In everyday language.", show_default=False)],
    as_json: JsonOption = False,
    limit: Annotated[int, typer.Option(help="How many passages, 1 to 20.")] = 5,
    kind: Annotated[
        list[str] | None, typer.Option(help="case, typology, trend, guide or intro; repeatable.")
    ] = None,
    municipality: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    audience: Annotated[
        list[str] | None,
        typer.Option(help="politiker, leder or udførende medarbejder; repeatable."),
    ] = None,
    history: Annotated[
        list[str] | None, typer.Option(help="An earlier question, oldest first; repeatable.")
    ] = None,
    index: IndexOption = None,
    model: ModelOption = None,
) -> None:
    """Answer one question in the report's own words."""
    from tryghed_search.api import answer_model
    from tryghed_search.passages import Filters, Question

    settings = _settings(index, model)
    _, searcher = _searcher(settings, _encoder(settings))
    filters = Filters(tuple(kind or ()), tuple(municipality or ()), tuple(audience or ()))
    answer = searcher.ask(Question(question, tuple(history or ()), limit, filters))
    body = answer_model(answer, searcher.reports)
    if as_json:
        typer.echo(body.model_dump_json(indent=2))
        return
    if body.notice:
        typer.echo(body.notice)
    if body.answer:
        typer.echo(f"»{body.answer.text}«")
    for passage in body.passages:
        typer.echo(f"\n{passage.rank}. {passage.citation.reference}\n   {passage.text}")


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    index: IndexOption = None,
    model: ModelOption = None,
) -> None:
    """Serve the page, the API and the widget; builds the index first when there is none."""
    import uvicorn

    from tryghed_search.app import create_app
    from tryghed_search.errors import NoIndexError

    settings = _settings(index, model)
    encoder = _encoder(settings)
    try:
        loaded = _searcher(settings, encoder)
    except NoIndexError:
        typer.echo("No index yet; building it first.", err=True)
        _build(settings, encoder)
        loaded = _searcher(settings, encoder)
    typer.echo(f"Serving on http://{host}:{port}", err=True)
    uvicorn.run(
        create_app(loaded),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )


@app.command()
def evaluate(
    questions: Annotated[
        Path | None,
        typer.Argument(help="Labelled questions, JSON lines.", show_default=False),
    ] = None,
    corpus: Annotated[Path | None, typer.Option(help="Documents in BEIR's layout.")] = None,
    queries: Annotated[Path | None, typer.Option(help="Queries in BEIR's layout.")] = None,
    qrels: Annotated[Path | None, typer.Option(help="Relevance, tab-separated.")] = None,
    as_json: JsonOption = False,
    misses: Annotated[int, typer.Option(help="Also list this many of the worst misses.")] = 0,
    index: IndexOption = None,
    model: ModelOption = None,
) -> None:
    """Retrieval and no-answer figures on labelled questions, or on a set in BEIR's layout."""
    settings = _settings(index, model)
    given = [path for path in (corpus, queries, qrels) if path is not None]
    if given and (len(given) < 3 or questions is not None):
        raise typer.BadParameter("--corpus, --queries and --qrels go together, without QUESTIONS.")
    if corpus is not None and queries is not None and qrels is not None:
        from tryghed_search import beir

        with _progress("Embedding") as progress:
            result = beir.evaluate(_encoder(settings), corpus, queries, qrels, progress)
        typer.echo(
            json.dumps(result) if as_json else "\n".join(f"{k}\t{v}" for k, v in result.items())
        )
        return
    if questions is None:
        questions = Path("tests/questions/test.jsonl")
        if not questions.is_file():
            raise typer.BadParameter("name a file of labelled questions, or --corpus and its kin.")
    _evaluate_questions(settings, questions, as_json, misses)


def _evaluate_questions(settings: Settings, path: Path, as_json: bool, misses: int) -> None:
    """Dense alone, BM25 alone and the product, on the same index and questions."""
    from tryghed_search import evaluation, store
    from tryghed_search.ranking import BM25_ALONE, DENSE_ALONE, Weights
    from tryghed_search.search import Searcher

    labelled = evaluation.read_questions(path)
    encoder = _encoder(settings)
    _, contents = store.load(settings.index_folder(), encoder.identity)
    systems = {"dense": DENSE_ALONE, "bm25": BM25_ALONE, "product": Weights()}
    tables: dict[str, dict[str, dict[str, Any]]] = {}
    outcomes: list[evaluation.Outcome] = []
    with _progress("Asking") as progress:
        done, total = 0, len(labelled) * len(systems)

        def one_more() -> None:
            nonlocal done
            done += 1
            progress(done, total)

        for name, weights in systems.items():
            outcomes = evaluation.run(Searcher(contents, encoder, weights), labelled, one_more)
            tables[name] = evaluation.figures(outcomes)
    if as_json:
        typer.echo(json.dumps({name: evaluation.as_json(table) for name, table in tables.items()}))
        return
    _print_tables(tables)
    worst = sorted(
        (o for o in outcomes if o.labelled.answerable and o.rank != 1), key=lambda o: o.reciprocal
    )
    for outcome in worst[:misses]:
        typer.echo(
            f"rank {outcome.rank}: [{outcome.labelled.kind}] {outcome.labelled.question}\n"
            f"    found {', '.join(outcome.found)}"
        )


def _print_tables(tables: dict[str, dict[str, dict[str, Any]]]) -> None:
    from rich.console import Console
    from rich.table import Table

    from tryghed_search.evaluation import Figure

    console = Console(width=120)
    for system, rows in tables.items():
        table = Table(title=system, title_justify="left")
        columns = ("hit@1", "hit@3", "hit@5", "mrr@10", "sentence")
        for column in ("kind", "questions", *columns):
            table.add_column(column, justify="left" if column == "kind" else "right")
        for kind, row in rows.items():
            if kind == "no-answer":
                continue
            cells = [_cell(row[column]) if column in row else "" for column in columns]
            table.add_row(kind, str(row["questions"]), *cells)
        console.print(table)
    for name, value in tables["product"]["no-answer"].items():
        console.print(f"{name}: {_cell(value) if isinstance(value, Figure) else value}")


def _cell(figure: Any) -> str:
    return f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]"


if __name__ == "__main__":
    main()
