import pytest

from tryghed_search.wording import Corrector, are_keywords, language

VOCABULARY = {
    "skærmbesøg": 5,
    "hjemmeplejen": 6,
    "indbrud": 9,
    "naboer": 3,
    "bånd": 1,
    "kommunen": 20,
    "ældre": 4,
}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What did Gentofte do?", "en"),
        ("how many came", "en"),
        ("Hvad gjorde Gentofte?", "da"),
        ("skærmbesøg", "da"),
        ("", "da"),
        ("Vilka kommuner har prövat det?", "da"),
        ("Hvem er det for?", "da"),
    ],
)
def test_english_is_told_from_danish_by_function_words(question: str, expected: str) -> None:
    assert language(question) == expected


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("skaermbesoeg i hjemmeplejen", "skærmbesøg i hjemmeplejen"),
        ("skarmbesog", "skærmbesøg"),
        ("skærmbesøk", "skærmbesøg"),
        ("hjemeplejen", "hjemmeplejen"),
        ("inbdrud hos naober", "indbrud hos naboer"),
        ("aeldre", "ældre"),
    ],
)
def test_a_misspelt_word_is_rewritten_into_the_reports_word(written: str, meant: str) -> None:
    assert Corrector(VOCABULARY).correct(written) == meant


@pytest.mark.parametrize("question", ["hund og kat", "det er dem", "83 %", "😀", "", "a b c"])
def test_what_is_near_no_known_word_is_left_alone(question: str) -> None:
    assert Corrector(VOCABULARY).correct(question) == question


def test_a_name_that_the_reports_never_mention_is_found() -> None:
    corrector = Corrector({"gentofte": 3, "kommune": 9, "safe": 1, "house": 1})
    assert corrector.unknown_names("Hvad gør Camden, som Gentofte kan bruge?") == ("Camden",)
    assert corrector.unknown_names("Er Safe House Gentoftes idé?") == ()
    assert corrector.unknown_names("Camden gør hvad?") == (), "any word may begin a sentence"
    assert corrector.unknown_names("What does the London team in Camden do?") == ()


@pytest.mark.parametrize("question", ["Odense", "digital svindel", "flyer digital svindel"])
def test_a_few_words_to_look_up_are_keywords(question: str) -> None:
    assert are_keywords(question)


@pytest.mark.parametrize(
    "question", ["hvem er du", "Odense?", "gode film på netflix", "the police", "", "a b c d"]
)
def test_a_question_or_a_sentence_is_not(question: str) -> None:
    assert not are_keywords(question)


def test_a_single_word_is_in_no_language_but_danish() -> None:
    assert language("a") == "da"
    assert language("What is it") == "en"
