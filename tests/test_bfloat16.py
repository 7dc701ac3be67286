"""Matrix products in bfloat16: the same answers as in float32, and only where they are quick."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tryghed_search import bfloat16
from tryghed_search.embedding import Encoder
from tryghed_search.settings import Settings

QUESTIONS = (
    "Hvor meget faldt antallet af indbrud i Hjørring?",
    "tryghedsvandringer",
    "How do the municipalities work with young people in the evening hours?",
)


@pytest.fixture(scope="module")
def in_float32() -> Encoder:
    """The bundled model as a processor without the instructions has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bfloat16, "is_native", lambda: False)
        return Encoder(cache=Settings().cache)


@pytest.fixture(scope="module")
def in_bfloat16() -> Encoder:
    """The bundled model as a processor with the instructions has it, whatever this one is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bfloat16, "is_native", lambda: True)
        return Encoder(cache=Settings().cache)


def layers(encoder: Encoder, kind: type[nn.Module]) -> int:
    """How many layers of a kind a question goes through."""
    return sum(isinstance(module, kind) for module in encoder._asked.modules())


def test_only_a_processor_with_the_instructions_multiplies_in_bfloat16(
    in_float32: Encoder, in_bfloat16: Encoder
) -> None:
    assert layers(in_float32, bfloat16.Bfloat16Linear) == 0
    assert layers(in_bfloat16, bfloat16.Bfloat16Linear) == layers(in_float32, nn.Linear) > 70
    assert layers(in_bfloat16, nn.Linear) == 0


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
    assert bfloat16.is_native() is native


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_vectors_are_those_of_float32(
    in_float32: Encoder, in_bfloat16: Encoder, question: str
) -> None:
    (exact,) = in_float32.encode_questions([question])
    (quick,) = in_bfloat16.encode_questions([question])
    assert float(exact.pooled @ quick.pooled) > 0.9998
    assert (exact.ids == quick.ids).all()
    lengths = np.linalg.norm(exact.tokens, axis=1) * np.linalg.norm(quick.tokens, axis=1)
    assert ((exact.tokens * quick.tokens).sum(axis=1) / lengths).min() > 0.998


def test_a_document_has_the_same_vectors_on_every_machine(
    in_float32: Encoder, in_bfloat16: Encoder
) -> None:
    (exact,) = in_float32.encode_documents(QUESTIONS[:1])
    (other,) = in_bfloat16.encode_documents(QUESTIONS[:1])
    assert (exact.pooled == other.pooled).all()
    assert (exact.tokens == other.tokens).all()


def test_both_are_one_model(in_float32: Encoder, in_bfloat16: Encoder) -> None:
    """An index that one machine has made answers on another."""
    assert in_float32.identity == in_bfloat16.identity


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_gives_what_the_linear_one_gives(bias: bool) -> None:
    torch.manual_seed(5)
    module = nn.Sequential(nn.Sequential(nn.Linear(32, 16, bias=bias)), nn.LayerNorm(16))
    states = torch.randn(2, 7, 32)
    with torch.inference_mode():
        expected = module(states)
        twin = bfloat16.converted(module)
        found = twin(states)
        assert torch.equal(module(states), expected)
    assert isinstance(twin[0][0], bfloat16.Bfloat16Linear)
    assert isinstance(module[0][0], nn.Linear)
    assert twin[1].weight is module[1].weight
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0)
