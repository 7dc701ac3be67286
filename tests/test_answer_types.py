"""What a question asks for, and whether a sentence has it."""

from __future__ import annotations

import pytest

from tryghed_search.answer_types import met


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Hvor meget faldt antallet af indbrud?", "Indbrud blev reduceret med 83%."),
        ("How many came?", "Et borgerarrangement for 300 fremmødte."),
        ("Hur många deltog?", "Der var tre møder."),
        ("Hvornår begyndte de?", "Kommunen har siden 2015 arbejdet med det."),
        ("Hvad koster det?", "Indsatsen har et begrænset budget."),
        ("Hva koster det?", "Det løb op i 20.000 kr. i alt."),
    ],
)
def test_a_text_with_what_is_asked_for_meets_the_question(question: str, text: str) -> None:
    assert met(question, text) is True


@pytest.mark.parametrize(
    "question",
    ["Hvor mange kom der?", "Hvad koster flyeren?", "Hvornår begyndte de?", "How much was saved?"],
)
def test_a_text_without_it_does_not(question: str) -> None:
    assert met(question, "Flyeren deles ud af hjemmeplejen.") is False


@pytest.mark.parametrize(
    "question",
    ["Hvem står for det?", "Kan det betale sig at begynde?", "Hvad virker?", "", "Why do it?"],
)
def test_a_question_for_something_else_asks_for_none_of_them(question: str) -> None:
    assert met(question, "I 2015 kostede det 300 kr.") is None
