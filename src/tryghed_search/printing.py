"""Answers, tables of figures and progress bars for the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from tryghed_search.evaluation import Figure, Outcome

if TYPE_CHECKING:
    from tryghed_search.api import AskResponse

_COLUMNS = ("hit@1", "hit@3", "hit@5", "mrr@10", "sentence")

Figures = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""System to kind of question to figure, as ``evaluation.figures`` gives them for each system."""


def answer(body: AskResponse) -> None:
    """The answering sentence or why there is none, then the passages with their references."""
    if body.notice:
        typer.echo(body.notice)
    if body.answer:
        typer.echo(f"»{body.answer.text}«")
    for passage in body.passages:
        typer.echo(f"\n{passage.rank}. {passage.citation.reference}\n   {passage.text}")


def as_json(value: object) -> None:
    """A value on one line."""
    typer.echo(json.dumps(value))


def values(found: Mapping[str, object], *, as_lines: bool) -> None:
    """Names and values, a line each or as JSON."""
    if as_lines:
        typer.echo("\n".join(f"{name}\t{value}" for name, value in found.items()))
    else:
        as_json(found)


def overview(tables: Figures) -> None:
    """A table for each system, then what the last one does where there is no answer."""
    console = _console()
    for system, rows in tables.items():
        table = _table(system, ("kind", "questions", *_COLUMNS))
        for kind, row in rows.items():
            if kind != "no-answer":
                cells = [_cell(row[column]) if column in row else "" for column in _COLUMNS]
                table.add_row(kind, str(row["questions"]), *cells)
        console.print(table)
    for name, value in tables[list(tables)[-1]]["no-answer"].items():
        console.print(f"{name}: {_cell(value) if isinstance(value, Figure) else value}")


def ablation(tables: Figures) -> None:
    """One row for each system: questions found in passages, topics, follow-ups, near misses."""
    shown = (
        ("all", "hit@1"),
        ("all", "mrr@10"),
        ("all", "sentence"),
        ("topic", "mrr@10"),
        ("follow-up", "mrr@10"),
        ("no-answer", "auroc near"),
    )
    table = _table("product", ("left out", *(f"{kind}\n{name}" for kind, name in shown)))
    for system, rows in tables.items():
        cells = [
            _cell(rows[kind][name]) if name in rows.get(kind, {}) else "" for kind, name in shown
        ]
        table.add_row("nothing" if system == list(tables)[-1] else system, *cells)
    _console().print(table)


def worst(outcomes: Iterable[Outcome], most: int) -> None:
    """The questions whose passage was found worst or not at all, and what was found instead."""
    missed = sorted(
        (o for o in outcomes if o.labelled.answerable and o.rank != 1), key=lambda o: o.reciprocal
    )
    for outcome in missed[:most]:
        typer.echo(
            f"rank {outcome.rank}: [{outcome.labelled.kind}] {outcome.labelled.question}\n"
            f"    found {', '.join(outcome.found)}"
        )


def _console() -> Console:
    return Console(width=120, markup=False, emoji=False, highlight=False)


def _table(title: str, columns: tuple[str, ...]) -> Table:
    """An empty table: names on the left, figures to the right of them, each on one line."""
    table = Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column(columns[0], overflow="fold")
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def _cell(figure: Figure) -> str:
    """A figure with its interval, short enough for six of them on a line: "0.86 [.80, 1.0]"."""
    low, high = (f"{bound:.2f}".lstrip("0")[:3] for bound in (figure.low, figure.high))
    return f"{figure.value:.2f} [{low}, {high}]"


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error; silent where that is no terminal."""
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
