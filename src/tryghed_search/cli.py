"""The command ``tryghed-search``.

Everything heavy is imported where it is used, so that ``--help`` is instant; what is cheap to
find out is found out before the model is loaded.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from tryghed_search.loading import Loader
    from tryghed_search.settings import Settings
    from tryghed_search.store import Manifest

app = typer.Typer(
    name="tryghed-search",
    help="Ask reports in everyday language and get their own words, with citations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich alone takes as long to import as all else
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
ReportsOption = Annotated[
    Path | None,
    typer.Option(
        "--reports",
        help="Folder with one folder per report [env: TRYGHED_REPORTS]",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def main() -> None:
    """Run the command; a failure is one line on standard error.

    Exit status 1, or 2 for a question that cannot be asked.
    """
    from tryghed_search.errors import BadQuestionError, TryghedError

    try:
        app(prog_name="tryghed-search")
    except TryghedError as error:
        typer.echo(f"tryghed-search: {error}", err=True)
        sys.exit(2 if isinstance(error, BadQuestionError) else 1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _quietly() -> None:
    """Set how many threads work and what is told, before anything heavy is imported."""
    import logging

    # Each question is answered by one thread, numpy's part too. Where more of them work, OpenMP's
    # otherwise spin while they wait for one another, and on cores that others use too everything
    # takes ten times as long. Read when numpy and torch are loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)  # of its own, because bm25s sets its logger to DEBUG
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", handlers=[handler])
    # It tells at length of a model that cannot be found, which our own line tells already.
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)


def _settings(index: Path | None = None, model: str | None = None, **given: Any) -> Settings:
    from tryghed_search import settings

    return settings.load(index=index, model=model, **given)


def _loader(settings: Settings) -> Loader:
    from tryghed_search.loading import Loader

    return Loader(settings)


def _build(settings: Settings, loader: Loader) -> tuple[Manifest, int]:
    """Build the index; how many of its texts were embedded for it, the others being kept ones."""
    from tryghed_search import printing
    from tryghed_search.errors import IndexWriteError
    from tryghed_search.loading import reports_folder

    embedded = 0
    with printing.progress("Embedding") as show:

        def progress(done: int, total: int) -> None:
            nonlocal embedded
            embedded = done
            show(done, total)

        try:
            manifest = loader.store.ingest(
                reports_folder(settings), lambda: loader.encoder, progress
            )
        except KeyboardInterrupt:
            raise IndexWriteError(
                "Stopped. The old index, if there is one, is untouched, and what is embedded is "
                "kept: the next 'tryghed-search ingest' goes on from there."
            ) from None
    return manifest, embedded


@app.callback()
def _before(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", help="TOML file of settings [env: TRYGHED_CONFIG]", show_default=False
        ),
    ] = None,
) -> None:
    _quietly()
    if config is not None:
        # Also read by the processes that a server of several starts.
        os.environ["TRYGHED_CONFIG"] = str(config.absolute())


@app.command(short_help="Read the reports and write the index.")
def ingest(
    index: IndexOption = None, model: ModelOption = None, reports: ReportsOption = None
) -> None:
    """Parse the reports, cut them into passages, embed what is new and write the index."""
    settings = _settings(index, model, reports=reports)
    loader = _loader(settings)
    manifest, embedded = _build(settings, loader)
    counts = manifest.counts
    typer.echo(
        f"Built {loader.store.name}: {counts['reports']} report(s), {counts['sections']} sections, "
        f"{counts['passages']} passages, {counts['vectors']} vectors "
        f"({manifest.model.name}, {manifest.model.dimension} dimensions)."
    )
    if embedded < counts["vectors"]:
        typer.echo(f"Embedded {embedded} texts; the others were kept from an earlier ingest.")


@app.command(short_help="Draft a new report from a document.")
def add(
    document: Annotated[Path, typer.Argument(metavar="REPORT", help="A .pdf, .docx, .md or .txt.")],
    reports: ReportsOption = None,
    report: Annotated[
        str | None,
        typer.Option("--id", help="The report's id: a-z, 0-9 and '-'. Default: the file's name."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Default: what the file says.")] = None,
    publisher: Annotated[str | None, typer.Option(help="Default: the file's author.")] = None,
) -> None:
    """Draft a new report from a document, for an editor to correct before the next ingest."""
    from tryghed_search import adding
    from tryghed_search.loading import own_reports_folder

    folder = own_reports_folder(_settings(reports=reports))
    added = adding.add(document, folder, report=report, title=title, publisher=publisher)
    typer.echo(
        f"Drafted {added.folder}: {added.sections} sections, {added.passages} passages. "
        "Not sure of:"
    )
    for doubt in added.doubts:
        typer.echo(f"- {doubt}")
    typer.echo(f"Correct {added.folder / 'outline.toml'}, then run 'tryghed-search ingest'.")


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="In everyday language.", show_default=False)],
    as_json: JsonOption = False,
    limit: Annotated[int, typer.Option(help="How many passages, 1 to 20.")] = 5,
    kind: Annotated[
        list[str] | None,
        typer.Option(help="case, typology, trend, guide, intro or chapter; repeatable."),
    ] = None,
    municipality: Annotated[list[str] | None, typer.Option(help="Repeatable.")] = None,
    audience: Annotated[
        list[str] | None,
        typer.Option(help="politiker, leder or udførende medarbejder; repeatable."),
    ] = None,
    report: Annotated[
        list[str] | None, typer.Option(help="Id of a report; repeatable. Default: all.")
    ] = None,
    history: Annotated[
        list[str] | None, typer.Option(help="An earlier question, oldest first; repeatable.")
    ] = None,
    index: IndexOption = None,
    model: ModelOption = None,
) -> None:
    """Answer one question in the report's own words."""
    from pydantic import ValidationError

    from tryghed_search import api, problems
    from tryghed_search.errors import BadQuestionError

    settings = _settings(index, model)
    try:
        request = api.AskRequest(
            question=question,
            history=history or [],
            limit=limit,
            kind=kind or [],
            municipality=municipality or [],
            audience=audience or [],
            report=report or [],
        )
    except ValidationError as error:
        raise BadQuestionError(problems.said(error.errors())) from None
    loader = _loader(settings)
    loader.store.manifest()
    _, searcher = loader.load()
    body = api.answer_model(searcher.ask(api.question_of(request)), searcher.reports)
    if as_json:
        typer.echo(body.model_dump_json(indent=2))
        return
    from tryghed_search import printing

    printing.answer(body)


@app.command(short_help="Serve the page, the API and the widget.")
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    root_path: Annotated[
        str | None,
        typer.Option(
            help="Path prefix of a reverse proxy, as /tryghed [env: TRYGHED_ROOT_PATH]",
            show_default=False,
        ),
    ] = None,
    index: IndexOption = None,
    model: ModelOption = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes, each with the model in memory [env: TRYGHED_WORKERS]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Serve the page, the API and the widget; builds the index first when there is none."""
    import signal

    # uvicorn passes the signal on when it has shut down; to be stopped is not to fail.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    settings = _settings(index, model, root_path=root_path, workers=workers)

    from tryghed_search import logs, running
    from tryghed_search.errors import NoIndexError

    logs.configure(settings.log_format)
    with running.listener(host, port) as bound:
        if settings.workers > 1:
            running.ready_for_workers(settings)
            _announce(settings, f"Serving on {running.address(bound)}")
            running.serve_with_workers(bound, settings)
            return
        loader = _loader(settings)
        try:
            served = running.application(settings, loader)
        except NoIndexError:
            _announce(settings, "No index yet; building it first.")
            _build(settings, loader)
            served = running.application(settings, loader)
        _announce(settings, f"Serving on {running.address(bound)}")
        running.serve(bound, settings, served)


def _announce(settings: Settings, line: str) -> None:
    """Tell the operator on standard error, as JSON where all of that is to be JSON."""
    if settings.log_format == "json":
        import logging

        logging.getLogger("tryghed_search").info(line)
    else:
        typer.echo(line, err=True)


@app.command(short_help="Tell whether machine, model and index are fit.")
def check(
    as_json: JsonOption = False, index: IndexOption = None, model: ModelOption = None
) -> None:
    """Tell whether machine, model and index are fit to serve, and how fast answers come."""
    from dataclasses import asdict

    from tryghed_search import checking, printing
    from tryghed_search.errors import CheckError

    settings = _settings(index, model)
    findings = []
    for finding in checking.check(settings):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{'ok ' if finding.fit else 'BAD'}  {finding.what}: {finding.says}")
    bad = [finding.what for finding in findings if not finding.fit]
    if as_json:
        printing.as_json({"fit": not bad, "findings": [asdict(f) for f in findings]})
    if bad:
        raise CheckError(f"Not fit to serve: {', '.join(bad)}.")


@app.command(short_help="Print what readers said, as a question file.")
def feedback(
    labelled: Annotated[
        bool, typer.Option("--labelled", help="Only those that say what is right.")
    ] = False,
) -> None:
    """Print what readers said of answers, as a question file that evaluate reads."""
    from tryghed_search.errors import FeedbackError
    from tryghed_search.feedback import UNLABELLED, read_lines

    path = _settings().feedback
    if path is None:
        raise FeedbackError("No feedback is kept; name a file for it in TRYGHED_FEEDBACK.")
    for text, line in read_lines(path):
        if not (labelled and line.get("kind") == UNLABELLED):
            typer.echo(text)


@app.command(short_help="Take figures on labelled questions.")
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
    ablation: Annotated[
        bool, typer.Option("--ablation", help="The product with one part left out at a time.")
    ] = False,
    index: IndexOption = None,
    model: ModelOption = None,
) -> None:
    """Retrieval and no-answer figures on labelled questions, or on a set in BEIR's layout."""
    settings = _settings(index, model)
    given = [path for path in (corpus, queries, qrels) if path is not None]
    if given and (len(given) < 3 or questions is not None):
        raise typer.BadParameter("--corpus, --queries and --qrels go together, without QUESTIONS.")
    if corpus is not None and queries is not None and qrels is not None:
        from tryghed_search import beir, printing

        with printing.progress("Embedding") as progress:
            result = beir.evaluate(_loader(settings).encoder, corpus, queries, qrels, progress)
        printing.values(result, as_lines=not as_json)
        return
    if questions is None:
        questions = Path("tests/questions/test.jsonl")
        if not questions.is_file():
            raise typer.BadParameter("name a file of labelled questions, or --corpus and its kin.")
    _evaluate_questions(settings, questions, as_json, misses, ablation)


def _evaluate_questions(
    settings: Settings, path: Path, as_json: bool, misses: int, ablation: bool
) -> None:
    """Several systems on the same index and questions, the product last."""
    from tryghed_search import evaluation, printing, ranking

    labelled = evaluation.read_questions(path)
    loader = _loader(settings)
    loader.store.manifest()
    _, searcher = loader.load()
    systems = ranking.PARTS_LEFT_OUT if ablation else ranking.ALONE
    systems = {**systems, "product": ranking.Weights()}
    with printing.progress("Asking") as progress:
        tables, outcomes = evaluation.compare(searcher, labelled, systems, progress)
    if as_json:
        printing.as_json({name: evaluation.as_json(table) for name, table in tables.items()})
        return
    if ablation:
        printing.ablation(tables)
        return
    printing.overview(tables)
    printing.worst(outcomes, misses)


if __name__ == "__main__":
    main()
