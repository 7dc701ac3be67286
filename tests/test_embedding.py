"""Texts to vectors: the bundled model and any other that sentence-transformers can load."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.conftest import damaged
from tryghed_search import build, danish, store
from tryghed_search.embedding import BUNDLED, Encoded, Encoder
from tryghed_search.errors import ModelError, OtherModelError
from tryghed_search.passages import Filters, Question, Report
from tryghed_search.search import Searcher

if TYPE_CHECKING:
    from transformers import BertTokenizerFast

SMALL_REPORTS = Path(__file__).parent / "small-reports"

ODD_TEXTS = (
    "Hvor meget faldt antallet af indbrud i Hjørring?",
    "  to  mellemrum\tog\nlinjer ",
    "",
    "   ",
    "\u200b",
    "🙂 ﬁre ½ № ⅷ",
    "bla\u030a ba\u030and skrevet med løse ringe",
    "«Citat» – ‘tegn’ … 83,3%",
    "a\u0000b\u0007c",
)


# --- the bundled model ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def odd(encoder: Encoder) -> tuple[list[Encoded], list[Encoded]]:
    """The odd texts as questions and as documents."""
    return encoder.encode_questions(ODD_TEXTS), encoder.encode_documents(ODD_TEXTS)


def test_a_pooled_vector_has_unit_length(odd: tuple[list[Encoded], list[Encoded]]) -> None:
    for encoded in (*odd[0], *odd[1]):
        assert encoded.pooled.shape == (384,)
        assert encoded.pooled.dtype == np.float32
        assert np.linalg.norm(encoded.pooled) == pytest.approx(1.0, abs=1e-5)


def test_vectors_do_not_depend_on_what_else_is_encoded(
    encoder: Encoder, odd: tuple[list[Encoded], list[Encoded]]
) -> None:
    for text, encoded in zip(ODD_TEXTS, odd[1], strict=True):
        (alone,) = encoder.encode_documents([text])
        assert float(alone.pooled @ encoded.pooled) == pytest.approx(1.0, abs=1e-5)
        assert np.array_equal(alone.ids, encoded.ids)
        assert np.allclose(alone.tokens, encoded.tokens, atol=1e-4)


def test_no_texts_have_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode_questions([]) == []


def test_every_token_has_a_vector_a_number_and_a_place(
    odd: tuple[list[Encoded], list[Encoded]],
) -> None:
    for encodings in odd:
        for text, encoded in zip(ODD_TEXTS, encodings, strict=True):
            count = len(encoded.ids)
            assert encoded.tokens.shape == (count, 384)
            assert encoded.spans.shape == (count, 2)
            assert all(0 <= start < end <= len(text) for start, end in encoded.spans)
            assert (np.diff(encoded.spans[:, 0]) >= 0).all()


def test_the_places_of_the_tokens_cover_the_text_and_nothing_of_the_prompt(
    encoder: Encoder,
) -> None:
    text = "Indbrud i Hjørring faldt med 83%, siger  politiet."
    for encode in (encoder.encode_questions, encoder.encode_documents):
        (encoded,) = encode([text])
        covered = {at for start, end in encoded.spans for at in range(start, end)}
        assert covered == {at for at, character in enumerate(text) if not character.isspace()}


def test_a_word_has_the_same_tokens_in_a_question_and_in_a_document(encoder: Encoder) -> None:
    (question,) = encoder.encode_questions(["indbrud i Hjørring"])
    (document,) = encoder.encode_documents(["indbrud i Hjørring"])
    assert np.array_equal(question.ids, document.ids)


def test_a_text_that_is_too_long_for_the_model_is_cut(encoder: Encoder) -> None:
    (encoded,) = encoder.encode_documents(["tryghed " * 700])
    assert 450 < len(encoded.ids) < 512


def test_progress_is_told_of_every_text(encoder: Encoder) -> None:
    told: list[int] = []
    encoder.encode_questions(["a", "bb", "ccc"] * 7, told.append)
    assert sum(told) == 21


def test_related_texts_are_nearer_than_unrelated_ones(encoder: Encoder) -> None:
    (question,) = encoder.encode_questions(["gamle der bliver snydt på nettet"])
    near, far = encoder.encode_documents(
        [
            "Kommunen beskytter ældre mod digital svindel.",
            "Skolerne arbejder med konflikter i klassen.",
        ]
    )
    assert float(question.pooled @ near.pooled) > float(question.pooled @ far.pooled)


# --- another model --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vocabulary(report: Report) -> list[str]:
    """A WordPiece vocabulary of the report's words and letters."""
    found = [word for word in build.vocabulary(report.passages) if word.isalpha()]
    letters = sorted({letter for word in found for letter in word})
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *".,:;?!-–%'\"()«»", *letters, *(f"##{c}" for c in letters), *sorted(found)]
    return list(dict.fromkeys(pieces))


@pytest.fixture(scope="module")
def tokenizer(vocabulary: list[str], tmp_path_factory: pytest.TempPathFactory) -> BertTokenizerFast:
    from transformers import BertTokenizerFast

    file = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    file.write_text("\n".join(vocabulary), encoding="utf-8")
    return BertTokenizerFast(str(file), do_lower_case=True, strip_accents=False)


def make_bert(folder: Path, tokenizer: BertTokenizerFast, prompts: dict[str, str]) -> Path:
    """A BERT of two narrow layers with weights as they are drawn, saved as models are saved."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import BertConfig, BertModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
    )
    bare = folder.with_name(f"{folder.name}-bare")
    BertModel(config).save_pretrained(bare)
    tokenizer.save_pretrained(bare)
    transformer = Transformer(str(bare))
    modules = [transformer, Pooling(transformer.get_embedding_dimension(), "mean")]
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save(str(folder))
    return folder


@pytest.fixture(scope="module")
def bert_folder(tokenizer: BertTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "lille-bert"
    return make_bert(folder, tokenizer, {"query": "spørgsmål: ", "document": "afsnit: "})


@pytest.fixture(scope="module")
def bert(bert_folder: Path) -> Encoder:
    return Encoder(str(bert_folder))


@pytest.fixture(scope="module")
def static(tokenizer: BertTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """A model without token vectors: a table of vectors, one for each piece of a word."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.manual_seed(7)
    folder = tmp_path_factory.mktemp("models") / "tabel"
    table = StaticEmbedding(tokenizer, embedding_dim=32)
    SentenceTransformer(modules=[table], device="cpu").save(str(folder))
    return Encoder(str(folder))


def library_vectors(folder: Path, texts: list[str], prompt: str) -> np.ndarray:
    """What sentence-transformers itself makes of texts with that prompt, rows of unit length."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return np.asarray(model.encode(texts, prompt=prompt, normalize_embeddings=True))


def pooled(encoded: list[Encoded]) -> np.ndarray:
    return np.stack([e.pooled for e in encoded])


def test_another_model_is_named_by_its_folder_and_keeps_its_prompts(
    bert: Encoder, bert_folder: Path
) -> None:
    assert bert.identity.name == "lille-bert"
    assert bert.identity.dimension == 32
    assert (bert.identity.query_prompt, bert.identity.document_prompt) == (
        "spørgsmål: ",
        "afsnit: ",
    )
    texts = ["Indbrud i Hjørring", "Unge i natteliv"]
    asked, written = bert.encode_questions(texts), bert.encode_documents(texts)
    assert np.allclose(pooled(asked), library_vectors(bert_folder, texts, "spørgsmål: "), atol=1e-5)
    assert np.allclose(pooled(written), library_vectors(bert_folder, texts, "afsnit: "), atol=1e-5)
    assert not np.allclose(pooled(asked), pooled(written), atol=1e-2)


def test_the_places_of_another_models_tokens_are_without_its_prompt(bert: Encoder) -> None:
    text = "Indbrud i Hjørring: 83%"
    for encode in (bert.encode_questions, bert.encode_documents):
        (encoded,) = encode([text])
        found = [text[start:end] for start, end in encoded.spans]
        assert "".join(found) == text.replace(" ", "")
        assert encoded.tokens.shape == (len(found), 32)


def test_a_prompt_for_passages_is_used_for_documents(
    tokenizer: BertTokenizerFast, tmp_path: Path
) -> None:
    """Many models call it so; sentence-transformers alone would take an empty one instead."""
    folder = make_bert(tmp_path / "e5", tokenizer, {"query": "query: ", "passage": "passage: "})
    encoder = Encoder(str(folder))
    assert encoder.identity.document_prompt == "passage: "
    (encoded,) = encoder.encode_documents(["Indbrud i Hjørring"])
    (expected,) = library_vectors(folder, ["Indbrud i Hjørring"], "passage: ")
    assert np.allclose(encoded.pooled, expected, atol=1e-5)
    assert encoded.spans.tolist()[0] == [0, len("Indbrud")]


def test_a_model_without_prompts_encodes_questions_as_documents(static: Encoder) -> None:
    assert (static.identity.query_prompt, static.identity.document_prompt) == ("", "")
    texts = ["Indbrud i Hjørring"]
    asked, written = static.encode_questions(texts), static.encode_documents(texts)
    assert np.array_equal(pooled(asked), pooled(written))


def test_a_model_without_token_vectors_gives_none(static: Encoder) -> None:
    for encoded in static.encode_questions(ODD_TEXTS):
        assert encoded.pooled.shape == (32,)
        assert encoded.tokens.shape == (0, 32)
        assert encoded.ids.shape == (0,)
        assert encoded.spans.shape == (0, 2)
        assert np.isfinite(encoded.pooled).all()


def test_the_same_folder_is_the_same_model(bert: Encoder, bert_folder: Path) -> None:
    assert Encoder(f"{bert_folder}/").identity == bert.identity


def test_changed_weights_are_another_model(
    bert: Encoder, bert_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / bert_folder.name
    shutil.copytree(bert_folder, folder)
    weights = folder / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    changed = Encoder(str(folder)).identity
    assert changed.name == bert.identity.name
    assert changed.sha256 != bert.identity.sha256


def test_another_pooling_is_another_model(bert: Encoder, bert_folder: Path, tmp_path: Path) -> None:
    """The same weights give other vectors."""
    folder = tmp_path / bert_folder.name
    shutil.copytree(bert_folder, folder)
    (settings,) = folder.glob("*_Pooling/config.json")
    settings.write_text(settings.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert Encoder(str(folder)).identity.sha256 != bert.identity.sha256


def test_changed_prompts_are_another_model(
    bert: Encoder, bert_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / bert_folder.name
    shutil.copytree(bert_folder, folder)
    settings = folder / "config_sentence_transformers.json"
    data = json.loads(settings.read_text(encoding="utf-8"))
    data["prompts"]["query"] = "Q: "
    settings.write_text(json.dumps(data), encoding="utf-8")
    changed = Encoder(str(folder)).identity
    assert changed.sha256 == bert.identity.sha256
    assert changed != bert.identity


@pytest.mark.parametrize("damage", ["empty", "weights", "config"])
def test_a_folder_that_is_no_model_is_named_with_the_setting(
    bert_folder: Path, tmp_path: Path, damage: str
) -> None:
    folder = damaged(bert_folder, tmp_path / "model", damage)
    with pytest.raises(ModelError) as caught:
        Encoder(str(folder))
    message = str(caught.value)
    assert repr(str(folder)) in message
    assert "TRYGHED_MODEL" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["/no/such/model", "./no-such-model", "~/no-such-model"])
def test_a_folder_that_is_not_there_is_not_looked_for_elsewhere(name: str) -> None:
    with pytest.raises(ModelError, match="There is no model folder") as caught:
        Encoder(name)
    assert name in str(caught.value)


def test_a_name_that_cannot_be_fetched_is_named_and_nothing_else_is_printed(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="'nobody/no-such-model' cannot be loaded") as caught:
        Encoder("nobody/no-such-model")
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
    assert [record.name for record in caplog.records if record.levelname != "DEBUG"] == []


# --- an index made with another model -------------------------------------------------------------


def test_an_index_made_with_another_model_is_refused_with_the_command_that_rebuilds_it(
    bert: Encoder, encoder: Encoder, tmp_path: Path
) -> None:
    build.build_index(SMALL_REPORTS, tmp_path, bert)
    assert store.load(tmp_path, bert.identity)[0].model == bert.identity
    with pytest.raises(OtherModelError) as caught:
        store.load(tmp_path, encoder.identity)
    message = str(caught.value)
    assert "made with the model lille-bert" in message
    assert "multilingual-e5-small" in message
    assert "tryghed-search ingest" in message
    build.build_index(SMALL_REPORTS, tmp_path, encoder)
    assert store.load(tmp_path, encoder.identity)[0].model.name == "multilingual-e5-small"


def test_the_setting_bundled_names_the_model_that_comes_along(encoder: Encoder) -> None:
    assert BUNDLED == "bundled"
    assert encoder.identity.name == "multilingual-e5-small"


@pytest.mark.parametrize("name", ["bert", "static"])
def test_a_searcher_works_with_another_model(
    name: str, tmp_path: Path, source: build.Source, request: pytest.FixtureRequest
) -> None:
    """The whole way: embed the real report, write, load, ask, rank whole sections."""
    other: Encoder = request.getfixturevalue(name)
    few = build.Source(
        Report(
            source.report.id,
            source.report.title,
            source.report.publisher,
            "da",
            source.report.text,
            source.report.sections,
            tuple(p for p in source.report.passages if p.entry in {"hjoerring", "esbjerg"}),
        ),
        source.municipalities,
        {k: v for k, v in source.reader_questions.items() if "/hjoerring/" in k},
    )
    store.write(tmp_path, build.embed([few], other), other.identity, "2026-01-01T00:00:00+00:00")
    searcher = Searcher(store.load(tmp_path, other.identity)[1], other)
    question = Question("Hvor mange indbrud reducerede Fri for Indbrud i Hjørring?")
    answer = searcher.ask(question)
    assert answer == searcher.ask(question)
    assert [hit.rank for hit in answer.hits] == [1, 2, 3, 4, 5]
    assert 0 <= answer.confidence <= 1
    assert all(0 <= hit.score <= 1 for hit in answer.hits)
    assert "lokal-tryghed-1/hjoerring/laeringer/1" in [hit.passage.id for hit in answer.hits]
    for hit in answer.hits:
        assert set(hit.highlights) <= set(hit.passage.sentences)
    sections = searcher.sections("digital svindel mod ældre", Filters())
    assert {hit.section.slug for hit in sections} == {"hjoerring", "esbjerg"}
    for odd in ("\u200b", "🙂", "…", "xyzzy"):
        assert searcher.ask(Question(odd)).hits


def test_the_vocabulary_of_the_small_models_is_danish(tokenizer: BertTokenizerFast) -> None:
    assert tokenizer.tokenize("Hjørring på Ærø") == ["hjørring", "på", "æ", "##r", "##ø"]
    assert "hjørring" in danish.words("Hjørring")


def test_several_threads_may_use_one_encoder(encoder: Encoder) -> None:
    """As the server's do: each gets what it gets alone."""
    texts = [f"{start} naboskab {'og tryghed ' * length}?" for length in range(12)
             for start in ("Hvad er", "Hvorfor", "Hvem står for")]  # fmt: skip
    alone = [encoder.encode_questions([text])[0] for text in texts]
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(lambda text: encoder.encode_questions([text])[0], texts))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.pooled, other.pooled)
        assert np.array_equal(one.tokens, other.tokens)
        assert np.array_equal(one.spans, other.spans)
