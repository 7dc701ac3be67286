"""The bundled model's network: the vectors of sentence-transformers, in less time."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.test_embedding import ODD_TEXTS
from tryghed_search import bundled, linear
from tryghed_search.embedding import Encoded, Encoder
from tryghed_search.passages import Report
from tryghed_search.settings import Settings

QUESTIONS = (
    "Hvor meget faldt antallet af indbrud i Hjørring?",
    "tryghedsvandringer",
    "How do the municipalities work with young people in the evening hours?",
)


@pytest.fixture(scope="module")
def whole() -> Encoder:
    """The bundled model's folder, read by sentence-transformers as any other."""
    return Encoder(str(bundled.model_folder(Settings().cache)))


@pytest.fixture(scope="module")
def in_float32() -> Encoder:
    """The bundled model as a processor without instructions for bfloat16 has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "is_native", lambda: False)
        return Encoder(cache=Settings().cache)


@pytest.fixture(scope="module")
def in_bfloat16() -> Encoder:
    """The bundled model as a processor with the instructions has it, whatever this one is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "is_native", lambda: True)
        return Encoder(cache=Settings().cache)


def assert_same(found: Encoded, expected: Encoded) -> None:
    assert np.array_equal(found.ids, expected.ids)
    assert np.array_equal(found.spans, expected.spans)
    assert np.allclose(found.pooled, expected.pooled, atol=2e-6)
    assert np.allclose(found.tokens, expected.tokens, atol=2e-5)


# --- against sentence-transformers ----------------------------------------------------------------


def test_its_vectors_are_those_of_sentence_transformers(
    encoder: Encoder, whole: Encoder, report: Report
) -> None:
    texts = [*ODD_TEXTS, *QUESTIONS, "tryghed " * 700, *(p.text for p in report.passages[::9])]
    for found, expected in (
        (encoder.encode_documents(texts), whole.encode_documents(texts)),
        (encoder.encode_reader_questions(texts), whole.encode_questions(texts)),
    ):
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)


def test_a_text_has_the_same_vectors_to_the_last_bit_whatever_else_is_encoded(
    encoder: Encoder,
) -> None:
    texts = [*ODD_TEXTS, *QUESTIONS] * 3
    for encode in (
        encoder.encode_questions,
        encoder.encode_reader_questions,
        encoder.encode_documents,
    ):
        for text, encoded in zip(texts, encode(texts), strict=True):
            (alone,) = encode([text])
            assert np.array_equal(alone.pooled, encoded.pooled)
            assert np.array_equal(alone.tokens, encoded.tokens)


def test_sentence_transformers_is_not_imported_for_it() -> None:
    script = (
        "import sys\n"
        "from tryghed_search.embedding import Encoder\n"
        "from tryghed_search.settings import Settings\n"
        "Encoder(cache=Settings().cache).encode_questions(['Hvad er tryghed?'])\n"
        "print({'sentence_transformers', 'transformers'} & set(sys.modules))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


# --- bfloat16 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "native"),
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx512_bf16": False}, True),
        ({"avx512_bf16": False, "avx2": True}, False),
        ({}, False),
    ],
)
def test_the_processor_says_whether_it_has_the_instructions(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, bool], native: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: told)
    assert linear.is_native() is native
    assert linear.quickest() is (torch.bfloat16 if native else torch.float32)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_in_bfloat16_has_almost_the_vectors_that_it_has_in_float32(
    in_float32: Encoder, in_bfloat16: Encoder, question: str
) -> None:
    (exact,) = in_float32.encode_questions([question])
    (quick,) = in_bfloat16.encode_questions([question])
    assert not np.array_equal(exact.pooled, quick.pooled)
    assert float(exact.pooled @ quick.pooled) > 0.9998
    assert np.array_equal(exact.ids, quick.ids)
    lengths = np.linalg.norm(exact.tokens, axis=1) * np.linalg.norm(quick.tokens, axis=1)
    assert ((exact.tokens * quick.tokens).sum(axis=1) / lengths).min() > 0.998


def test_what_an_index_keeps_is_in_float32_on_every_machine(
    in_float32: Encoder, in_bfloat16: Encoder
) -> None:
    for exact, other in (
        (in_float32.encode_documents(QUESTIONS), in_bfloat16.encode_documents(QUESTIONS)),
        (
            in_float32.encode_reader_questions(QUESTIONS),
            in_bfloat16.encode_reader_questions(QUESTIONS),
        ),
        (
            in_float32.encode_questions(QUESTIONS),
            in_bfloat16.encode_reader_questions(QUESTIONS),
        ),
    ):
        for one, same in zip(exact, other, strict=True):
            assert np.array_equal(one.pooled, same.pooled)
            assert np.array_equal(one.tokens, same.tokens)


def test_both_are_one_model(in_float32: Encoder, in_bfloat16: Encoder) -> None:
    """An index that one machine has made answers on another."""
    assert in_float32.identity == in_bfloat16.identity


# --- matrix products ------------------------------------------------------------------------------


@pytest.mark.parametrize("laid_out", [True, False])
@pytest.mark.parametrize(("dtype", "apart"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1)])
def test_a_product_is_that_of_torch_whether_weights_can_be_laid_out_or_not(
    monkeypatch: pytest.MonkeyPatch, laid_out: bool, dtype: torch.dtype, apart: float
) -> None:
    if not laid_out:
        monkeypatch.setattr(linear, "_laid_out", lambda: None)
    made = torch.Generator().manual_seed(5)
    weight, bias, states = (torch.randn(*of, generator=made) for of in ((48, 96), (48,), (7, 96)))
    with torch.inference_mode():
        found = linear.Linear(weight, bias, dtype)(states)
        expected = functional.linear(states, weight, bias)
    assert found.dtype == dtype
    torch.testing.assert_close(found.float(), expected, atol=apart, rtol=0.01)


def test_a_torch_with_other_operations_multiplies_without_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", lambda *_: torch.zeros(2, 4))
    assert linear._laid_out.__wrapped__() is None
    monkeypatch.delattr(torch.ops.mkldnn, "_linear_pointwise")
    monkeypatch.setattr(torch.ops.mkldnn, "_linear_pointwise", None)
    assert linear._laid_out.__wrapped__() is None


def test_weights_are_laid_out_with_the_torch_that_is_pinned() -> None:
    assert linear._laid_out() is not None
