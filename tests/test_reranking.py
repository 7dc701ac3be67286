"""The optional second stage: a cross-encoder's order among the first few, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import damaged, make_cross_encoder
from tryghed_search import build, store
from tryghed_search.embedding import Encoder
from tryghed_search.errors import ModelError
from tryghed_search.passages import Answer, Filters, Question
from tryghed_search.reranking import DEPTH, Reranker
from tryghed_search.search import Searcher

BURGLARY = "Hvor meget faldt antallet af indbrud i Hjørring?"
TEXTS = (
    "Borgerne reducerede indbrud med 83%.",
    "Kommunen beskytter ældre mod digital svindel.",
    "Unge er medskabere af et trygt natteliv, og det er de også om vinteren.",
    "I Nørre Lyng satte borgerne selv lamper op.",
    "Tryghed",
)


@pytest.fixture(scope="module")
def reranker(cross_encoder: Path) -> Reranker:
    return Reranker(str(cross_encoder))


@pytest.fixture(scope="module")
def reranking(index_folder: Path, encoder: Encoder, reranker: Reranker) -> Searcher:
    """A searcher over the real report with the re-ranker."""
    contents = store.load(index_folder, encoder.identity)[1]
    return Searcher(contents, encoder, reranker=reranker)


def raw_scores(folder: Path, question: str, texts: tuple[str, ...]) -> list[float]:
    """What the model itself gives each pair, one at a time."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    scores = []
    for text in texts:
        with torch.inference_mode():
            pair = tokenizer(question, text, return_tensors="pt", truncation=True)
            scores.append(float(model(**pair).logits[0, 0]))
    return scores


# --- the order ------------------------------------------------------------------------------------


def test_the_order_is_that_of_the_cross_encoders_scores(
    reranker: Reranker, cross_encoder: Path
) -> None:
    scores = raw_scores(cross_encoder, BURGLARY, TEXTS)
    expected = sorted(range(len(TEXTS)), key=lambda n: -scores[n])
    assert expected != list(range(len(TEXTS)))
    assert reranker.order(BURGLARY, TEXTS) == expected
    backwards = [len(TEXTS) - 1 - n for n in reranker.order(BURGLARY, TEXTS[::-1])]
    assert backwards == expected, "whatever the order they come in"


def test_opposite_scores_give_the_opposite_order(reranker: Reranker, tmp_path: Path) -> None:
    opposite = Reranker(str(make_cross_encoder(tmp_path / "opposite", sign=-1.0)))
    assert opposite.order(BURGLARY, TEXTS) == reranker.order(BURGLARY, TEXTS)[::-1]


def test_equals_stay_in_the_order_given(reranker: Reranker) -> None:
    first, second = reranker.order(BURGLARY, TEXTS[:2])
    texts = [TEXTS[first], TEXTS[second], TEXTS[first], TEXTS[second]]
    assert reranker.order(BURGLARY, texts) == [0, 2, 1, 3]


def test_no_texts_have_no_order(reranker: Reranker) -> None:
    assert reranker.order(BURGLARY, []) == []


# --- in the search --------------------------------------------------------------------------------


def ids(answer: Answer) -> list[str]:
    return [hit.passage.id for hit in answer.hits]


@pytest.mark.parametrize(
    "question", ["gamle der bliver snydt på nettet", "Hvordan er arbejdet organiseret i Gentofte?"]
)
def test_only_the_first_passages_change_places(
    searcher: Searcher, reranking: Searcher, reranker: Reranker, question: str
) -> None:
    before = searcher.ask(Question(question, limit=20))
    after = reranking.ask(Question(question, limit=20))
    first = [hit.passage for hit in before.hits[:DEPTH]]
    order = reranker.order(question, [build.embedded_text(passage) for passage in first])
    assert ids(after)[:DEPTH] == [first[n].id for n in order] != ids(before)[:DEPTH]
    assert ids(after)[DEPTH:] == ids(before)[DEPTH:]
    assert len(ids(after)) == 20 > DEPTH


def test_scores_still_fall_with_rank_when_the_passages_are_reordered(
    searcher: Searcher, reranking: Searcher
) -> None:
    before = searcher.ask(Question(BURGLARY, limit=20))
    after = reranking.ask(Question(BURGLARY, limit=20))
    scores = [hit.score for hit in after.hits]
    assert scores == sorted(scores, reverse=True) == [hit.score for hit in before.hits]
    assert [hit.rank for hit in after.hits] == list(range(1, 21))


def test_the_few_that_are_shown_are_the_best_of_all_that_were_reordered(
    reranking: Searcher,
) -> None:
    all_of_them = ids(reranking.ask(Question(BURGLARY, limit=20)))
    assert ids(reranking.ask(Question(BURGLARY, limit=3))) == all_of_them[:3]


def test_fewer_passages_than_are_read_can_be_reordered(
    searcher: Searcher, reranking: Searcher
) -> None:
    question = Question(BURGLARY, limit=20, filters=Filters(("case",), ("Esbjerg",)))
    before, after = ids(searcher.ask(question)), ids(reranking.ask(question))
    assert 1 < len(before) < DEPTH
    assert sorted(after) == sorted(before)
    nothing = Question("unge", filters=Filters(("guide",), ("København",)))
    assert reranking.ask(nothing) == searcher.ask(nothing)


def test_an_answer_is_still_a_slice_of_the_first_passage(reranking: Searcher) -> None:
    for question in (BURGLARY, "Hvad er naboskab?", "digital svindel mod ældre"):
        answer = reranking.ask(Question(question))
        assert 0 <= answer.confidence <= 1
        assert (answer.sentence is not None) == (answer.status == "answered")
        first = answer.hits[0]
        if answer.sentence is not None:
            assert answer.sentence == first.passage.text[slice(*first.highlights[0])]
        for hit in answer.hits:
            assert set(hit.highlights) <= set(hit.passage.sentences)


# --- what is no re-ranker -------------------------------------------------------------------------


def refused(model: str | Path) -> str:
    with pytest.raises(ModelError) as caught:
        Reranker(str(model))
    message = str(caught.value)
    assert "\n" not in message
    assert str(model) in message
    assert "TRYGHED_RERANKER, or leave it empty." in message
    return message


@pytest.mark.parametrize("damage", ["empty", "weights", "config"])
def test_a_folder_that_is_no_model_is_named_with_the_setting(
    cross_encoder: Path, tmp_path: Path, damage: str
) -> None:
    assert "cannot be loaded: " in refused(damaged(cross_encoder, tmp_path / "model", damage))


@pytest.mark.parametrize("name", ["/no/such/model", "./no-such-model", "~/no-such-model"])
def test_a_folder_that_is_not_there_is_not_looked_for_elsewhere(name: str) -> None:
    assert refused(name).startswith(f"There is no model folder {name}.")


def test_a_name_that_cannot_be_fetched_is_named_and_nothing_else_is_printed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert "'nobody/no-such-model' cannot be loaded" in refused("nobody/no-such-model")
    assert capfd.readouterr() == ("", "")


def test_a_model_with_two_scores_for_a_pair_is_refused(tmp_path: Path) -> None:
    message = refused(make_cross_encoder(tmp_path / "two", labels=2))
    assert "gives 2 scores for a pair, not one" in message


def test_a_model_that_was_not_made_to_score_pairs_is_refused(
    cross_encoder: Path, tmp_path: Path
) -> None:
    """The library would give it a layer for scores that is drawn by chance, at every start."""
    from transformers import AutoModel, AutoTokenizer

    folder = tmp_path / "bare"
    AutoModel.from_pretrained(cross_encoder).save_pretrained(folder)
    AutoTokenizer.from_pretrained(cross_encoder).save_pretrained(folder)
    assert "is a BertModel, which gives no scores for pairs" in refused(folder)
