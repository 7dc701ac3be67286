"""Sets in BEIR's layout: how they are read, and their measures against hand-computed values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import ir_measures
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tryghed_search import beir
from tryghed_search.embedding import Encoder
from tryghed_search.errors import QuestionsError

CORPUS = (
    {"_id": "æbler", "title": "Frugt", "text": "Æbler og pærer modner i september."},
    {"_id": "tog", "title": "", "text": "Toget fra Aarhus til Aalborg kører hver time."},
    {"_id": "hund", "text": "Hunden skal luftes to gange om dagen, også i regnvejr."},
    {"_id": "skat", "title": "Skat", "text": "Fristen for at rette årsopgørelsen er den 1. maj."},
)
QUERIES = (
    {"_id": "1", "text": "Hvornår kører toget til Aalborg?"},
    {"_id": "2", "text": "Hvor tit skal man gå tur med en hund?"},
    {"_id": "3", "text": "Hvad er meningen med livet?"},
)


def _lines(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _set(folder: Path, qrels: str) -> tuple[Path, Path, Path]:
    path = folder / "qrels.tsv"
    path.write_text(qrels, encoding="utf-8")
    return _lines(folder / "c.jsonl", CORPUS), _lines(folder / "q.jsonl", QUERIES), path


# --- measures -------------------------------------------------------------------------------------


def test_the_measures_of_one_query_are_those_computed_by_hand() -> None:
    judged = {"a": 2, "b": 1, "c": 1, "z": 0}
    found = beir.measures(["x", "b", "a", "z"], judged)
    gained = 1 / math.log2(3) + 2 / math.log2(4)
    ideal = 2 / math.log2(2) + 1 / math.log2(3) + 1 / math.log2(4)
    assert found == {
        "ndcg@10": pytest.approx(gained / ideal),
        "recall@10": pytest.approx(2 / 3),
        "mrr@10": 0.5,
    }
    assert gained / ideal == pytest.approx(0.5209, abs=5e-5)


def test_what_stands_after_the_tenth_does_not_count() -> None:
    ranked = [f"x{n}" for n in range(10)] + ["a"]
    assert beir.measures(ranked, {"a": 1}) == {"ndcg@10": 0, "recall@10": 0, "mrr@10": 0}


def test_the_ideal_ranking_is_cut_at_ten_but_recall_counts_all() -> None:
    judged = {f"d{n}": 1 for n in range(20)}
    found = beir.measures([f"d{n}" for n in range(10)], judged)
    assert found == {"ndcg@10": 1.0, "recall@10": 0.5, "mrr@10": 1.0}


def test_a_document_that_is_judged_below_zero_is_not_relevant() -> None:
    found = beir.measures(["bad", "good"], {"bad": -1, "good": 1})
    assert found["mrr@10"] == 0.5
    assert found["ndcg@10"] == pytest.approx(1 / math.log2(3))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    ranked=st.lists(st.integers(0, 30), unique=True, max_size=15),
    judged=st.dictionaries(st.integers(0, 30), st.integers(-1, 3), min_size=1, max_size=12),
)
def test_every_measure_is_between_0_and_1(ranked: list[int], judged: dict[int, int]) -> None:
    labels = {str(document): score for document, score in judged.items()} | {"sure": 1}
    found = beir.measures([str(document) for document in ranked], labels)
    assert all(0.0 <= value <= 1.0 + 1e-9 for value in found.values())
    perfect = sorted(labels, key=lambda document: -labels[document])
    assert beir.measures(perfect, labels)["ndcg@10"] == pytest.approx(1.0)


# --- whole sets -----------------------------------------------------------------------------------


def test_a_set_is_evaluated_as_by_hand(tmp_path: Path, encoder: Encoder) -> None:
    # Query 1 finds its only document first. Query 2 finds 'hund' first, and of the two documents
    # judged relevant the other is not in the corpus. Query 3 has none and does not count.
    qrels = "query-id\tcorpus-id\tscore\n1\ttog\t1\n2\thund\t1\n2\tkat\t1\n3\tskat\t0\n"
    told: list[tuple[int, int]] = []
    found = beir.evaluate(
        encoder, *_set(tmp_path, qrels), lambda done, total: told.append((done, total))
    )
    second = 1 / (1 + 1 / math.log2(3))
    assert found == {
        "queries": 2,
        "documents": 4,
        "ndcg@10": round((1 + second) / 2, 4),
        "recall@10": 0.75,
        "mrr@10": 1.0,
    }
    assert told[-1][0] == told[-1][1] > 0


def test_texts_that_are_empty_long_or_broken_are_ranked_like_any(
    tmp_path: Path, encoder: Encoder
) -> None:
    corpus = _lines(
        tmp_path / "c.jsonl",
        [
            {"_id": "tom", "text": ""},
            {"_id": "lang", "text": "toget kører og " * 300},
            {"_id": "hund", "text": "Hunden skal luftes."},
        ],
    )
    with corpus.open("a", encoding="utf-8") as file:
        file.write('{"_id": "halv", "text": "En halv \\ud83d smiley"}\n')
    queries = _lines(tmp_path / "q.jsonl", [{"_id": "1", "text": "hvornår kører " * 200}])
    qrels = tmp_path / "r.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\n1\tlang\t1\n", encoding="utf-8")
    found = beir.evaluate(encoder, corpus, queries, qrels)
    assert found["documents"] == 4
    assert found["recall@10"] == 1.0


# --- against a known library ------


def _by_the_library(
    ranked: Sequence[str], judged: Mapping[str, int]
) -> dict[ir_measures.measures.Measure, float]:
    run = {"q": {document: float(-n) for n, document in enumerate(ranked)}}
    kinds = [ir_measures.nDCG @ 10, ir_measures.R @ 10, ir_measures.RR @ 10]
    found: dict[ir_measures.measures.Measure, float] = ir_measures.calc_aggregate(
        kinds, {"q": dict(judged)}, run
    )
    return found


def test_the_measures_are_those_of_the_librarys_own_example() -> None:
    # From the README of ir-measures: per query nDCG@10 and RR, and their means.
    qrels = {"Q0": {"D0": 0, "D1": 1}, "Q1": {"D0": 0, "D3": 2}}
    ranked = {"Q0": ["D0", "D1"], "Q1": ["D3", "D0"]}
    rows = [beir.measures(ranked[query], qrels[query]) for query in qrels]
    assert rows[0]["ndcg@10"] == pytest.approx(0.6309297535714575)
    assert sum(row["ndcg@10"] for row in rows) / 2 == pytest.approx(0.8154648767857288)
    assert sum(row["mrr@10"] for row in rows) / 2 == 0.75
    run = {"Q0": {"D0": 1.2, "D1": 1.0}, "Q1": {"D0": 2.4, "D3": 3.6}}
    theirs = ir_measures.calc_aggregate([ir_measures.nDCG @ 10, ir_measures.R @ 10], qrels, run)
    assert theirs[ir_measures.nDCG @ 10] == pytest.approx(0.8154648767857288)
    ours = sum(row["recall@10"] for row in rows) / 2
    assert theirs[ir_measures.R @ 10] == pytest.approx(ours)


@settings(max_examples=200)
@given(
    ranked=st.lists(st.integers(0, 40).map("d{}".format), min_size=1, max_size=25, unique=True),
    judged=st.dictionaries(st.integers(0, 40).map("d{}".format), st.integers(0, 3), min_size=1),
)
def test_the_measures_are_the_librarys_on_any_ranking(
    ranked: list[str], judged: dict[str, int]
) -> None:
    if not any(judged.values()):
        judged["d1"] = 1
    ours, theirs = beir.measures(ranked, judged), _by_the_library(ranked, judged)
    for name, kind in (
        ("ndcg@10", ir_measures.nDCG @ 10),
        ("recall@10", ir_measures.R @ 10),
        ("mrr@10", ir_measures.RR @ 10),
    ):
        assert ours[name] == pytest.approx(theirs[kind], abs=1e-6), name


# --- reading --------------------------------------------------------------------------------------


def test_a_corpus_is_read_with_or_without_titles(tmp_path: Path) -> None:
    read = list(beir.read_lines(_lines(tmp_path / "c.jsonl", CORPUS)))
    assert read[0] == ("æbler", "Frugt", "Æbler og pærer modner i september.")
    assert [title for _, title, _ in read] == ["Frugt", "", "", "Skat"]


def test_relevance_is_read_with_a_header_without_one_and_in_trec_layout(tmp_path: Path) -> None:
    path = tmp_path / "r.tsv"
    expected = {"q1": {"d1": 2, 'd"2"': 0}, "q2": {"d1": 1}}
    for text in (
        'query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td"2"\t0\nq2\td1\t1\n',
        'q1\td1\t2\nq1\td"2"\t0\n\nq2\td1\t1',
        'q1\t0\td1\t2\r\nq1\t0\td"2"\t0\r\nq2\t0\td1\t1\r\n',
    ):
        path.write_bytes(text.encode())
        assert beir.read_qrels(path) == expected


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '"text"', '{"text": "x"}', '{"_id": "x"}', '{"_id": "x", "text": null}'],
)
def test_a_bad_line_of_documents_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "c.jsonl"
    path.write_text('{"_id": "a", "text": "b"}\n\n' + line, encoding="utf-8")
    with pytest.raises(QuestionsError, match=r"c\.jsonl, line 3 must be a JSON object"):
        list(beir.read_lines(path))


@pytest.mark.parametrize("line", ["q1", "q1\td1", "q1\t1", "q1\td1\tmuch", "q1 d1 1"])
def test_a_bad_line_of_relevance_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "r.tsv"
    path.write_text(f"query-id\tcorpus-id\tscore\nq1\td1\t1\n{line}\n", encoding="utf-8")
    with pytest.raises(QuestionsError, match=r"r\.tsv, line 3 must hold query-id"):
        beir.read_qrels(path)


def test_a_line_that_is_no_utf8_is_named_also_when_it_is_the_first(tmp_path: Path) -> None:
    path = tmp_path / "bad"
    for before, number in ((b"", 1), (b'{"_id": "a", "text": "b"}\n', 2)):
        path.write_bytes(before + b"\xff\t\xfe\t1\n")
        with pytest.raises(QuestionsError, match=f"line {number} is not UTF-8"):
            list(beir.read_lines(path))
    path.write_bytes(b"q\td\t1\n\xff\td\t1\n")
    with pytest.raises(QuestionsError, match="line 2 is not UTF-8"):
        beir.read_qrels(path)


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(QuestionsError, match=r"none\.jsonl cannot be read: No such file"):
        list(beir.read_lines(tmp_path / "none.jsonl"))
    with pytest.raises(QuestionsError, match="cannot be read: Is a directory"):
        beir.read_qrels(tmp_path)


def test_a_set_without_anything_to_measure_is_refused_before_it_is_embedded(
    tmp_path: Path, encoder: Encoder
) -> None:
    corpus, queries, qrels = _set(tmp_path, "query-id\tcorpus-id\tscore\n1\ttog\t0\n9\ttog\t1\n")
    started: list[int] = []
    with pytest.raises(QuestionsError, match=r"No query of .* has a relevant document"):
        beir.evaluate(encoder, corpus, queries, qrels, lambda done, _: started.append(done))
    qrels.write_text("1\ttog\t1\n", encoding="utf-8")
    _lines(corpus, [*CORPUS, CORPUS[1]])
    with pytest.raises(QuestionsError, match="holds the document 'tog' twice"):
        beir.evaluate(encoder, corpus, queries, qrels, lambda done, _: started.append(done))
    corpus.write_text("\n", encoding="utf-8")
    with pytest.raises(QuestionsError, match="holds no documents"):
        beir.evaluate(encoder, corpus, queries, qrels, lambda done, _: started.append(done))
    assert started == []
