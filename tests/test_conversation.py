import pytest

from tryghed_search.conversation import leans_on_history, resolve
from tryghed_search.places import Gazetteer


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return Gazetteer({"Hjørring": (), "Gentofte": (), "Albertslund": ()})


@pytest.mark.parametrize(
    "question",
    [
        "Og i Gentofte?",
        "Hvem står for det?",
        "hvad lærte de?",
        "And how is it organised?",
        "hvorfor?",
    ],
)
def test_a_question_that_points_back_leans_on_the_history(question: str) -> None:
    names = ("Gentofte",) if "Gentofte" in question else ()
    assert leans_on_history(question, names)


@pytest.mark.parametrize(
    "question",
    [
        "Hvilke former for organisering beskriver rapporten i alt?",
        "Hvordan arbejder skolerne i Albertslund med konflikter?",
    ],
)
def test_a_question_with_words_of_its_own_stands_alone(question: str) -> None:
    names = ("Albertslund",) if "Albertslund" in question else ()
    assert not leans_on_history(question, names)


def test_another_place_takes_the_place_of_the_first(gazetteer: Gazetteer) -> None:
    resolved = resolve("Og i Gentofte?", ("Hvordan er det organiseret i Hjørring?",), gazetteer)
    assert resolved is not None
    assert resolved.joined == "Hvordan er det organiseret i Gentofte?"
    assert resolved.only_a_name


def test_a_chain_of_follow_ups_goes_back_to_the_question_that_stands_alone(
    gazetteer: Gazetteer,
) -> None:
    history = ("Hvordan arbejder skolerne i Albertslund med konflikter?", "Hvem står for det?")
    resolved = resolve("hvorfor?", history, gazetteer)
    assert resolved is not None
    assert resolved.before == history[0]
    assert resolved.joined.startswith(history[0])


def test_a_question_that_stands_alone_or_comes_first_is_not_resolved(gazetteer: Gazetteer) -> None:
    question = "Hvordan arbejder skolerne i Albertslund med konflikter?"
    assert resolve(question, ("Hvad er et kredsråd?",), gazetteer) is None
    assert resolve("Hvem står for det?", (), gazetteer) is None
