from pathlib import Path

import pytest

from tryghed_search import build, confidence, store
from tryghed_search.embedding import Encoder
from tryghed_search.errors import BadQuestionError
from tryghed_search.passages import Filters, Question
from tryghed_search.ranking import ALONE, Weights
from tryghed_search.reader_questions import WHOLE
from tryghed_search.search import Searcher

SMALL_REPORTS = Path(__file__).parent / "small-reports"

BURGLARY = "Hvor meget faldt antallet af indbrud i Hjørring?"


def test_the_answering_sentence_is_a_slice_of_the_first_passage(searcher: Searcher) -> None:
    answer = searcher.ask(Question(BURGLARY))
    assert answer.status == "answered"
    assert answer.sentence is not None
    assert "83%" in answer.sentence
    first = answer.hits[0]
    assert answer.sentence == first.passage.text[slice(*first.highlights[0])]
    assert first.passage.id == "lokal-tryghed-1/hjoerring/laeringer/1"
    assert (first.passage.page, first.passage.page_stated) == (11, True)


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("gamle der bliver snydt på nettet", "esbjerg/"),
        ("hjorring naboskap", "hjoerring/"),
        ("How many people came to the event in Gentofte?", "gentofte/kort-fortalt"),
        ("prepper middag", "gentofte/"),
        ("medicinhåndtering", "nordfyn/kort-fortalt"),
        ("Camden", "facilitator/eksempel"),
        ("§17 stk. 4-udvalg", "tryghedsfora"),
        ("skruetrækkere og nøglepersoner", "stedsbaseret/kraever"),
    ],
)
def test_everyday_foreign_and_misspelt_questions_find_their_place(
    searcher: Searcher, question: str, passage: str
) -> None:
    assert searcher.ask(Question(question)).hits[0].passage.id.split("/", 1)[1].startswith(passage)


def test_the_same_question_gets_the_same_answer(searcher: Searcher) -> None:
    assert searcher.ask(Question(BURGLARY)) == searcher.ask(Question(BURGLARY))


def test_scores_fall_with_rank_and_stay_between_zero_and_one(searcher: Searcher) -> None:
    scores = [hit.score for hit in searcher.ask(Question(BURGLARY, limit=20)).hits]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 20
    assert 0 <= scores[-1] <= scores[0] <= 1


def test_a_heading_is_never_the_answer_where_there_is_a_sentence(searcher: Searcher) -> None:
    for hit in searcher.ask(Question("Indbrud kan reduceres markant", limit=20)).hits:
        headings = {b.start for b in hit.passage.blocks if b.role == "heading"}
        if len(headings) < len(hit.passage.sentences):
            assert not headings.intersection(start for start, _ in hit.highlights)


def test_filters_take_any_of_their_values_and_all_filters_together(searcher: Searcher) -> None:
    filters = Filters(("case",), ("Hjørring", "Esbjerg"), ("politiker",))
    hits = searcher.ask(Question("samarbejde med politiet", limit=20, filters=filters)).hits
    assert {hit.passage.section.split("/")[0] for hit in hits} == {"hjoerring"}


def test_a_filter_value_that_is_not_there_is_named_with_those_that_are(searcher: Searcher) -> None:
    with pytest.raises(BadQuestionError, match=r"Viborg.*Hjørring"):
        searcher.ask(Question("naboer", filters=Filters(municipalities=("Viborg",))))


def test_a_limited_search_says_nothing_of_what_it_did_not_look_at(searcher: Searcher) -> None:
    filters = Filters(municipalities=("Esbjerg",))
    answer = searcher.ask(Question("Hvor meget faldt indbruddene i Hjørring?", filters=filters))
    assert answer.status == "not_in_report"
    assert answer.notice is not None
    assert answer.notice.startswith("Svaret står ikke i det, du har afgrænset til.")


@pytest.mark.parametrize("keywords", ["Odense", "SSP", "frontpersonale", "Greve", "taxa-vognmænd"])
def test_keywords_that_a_passage_holds_are_never_said_to_be_missing(
    searcher: Searcher, keywords: str
) -> None:
    answer = searcher.ask(Question(keywords))
    assert answer.status == "answered"
    assert keywords.casefold() in answer.hits[0].passage.text.casefold()


@pytest.mark.parametrize("keywords", ["Viborg", "bitcoin", "havvindmøller", "roskilde havn"])
def test_keywords_that_no_passage_holds_are(searcher: Searcher, keywords: str) -> None:
    assert searcher.ask(Question(keywords)).status == "not_in_report"


@pytest.mark.parametrize("talk", ["Hvad hedder du så?", "Er du en robot?", "Skriv et vers"])
def test_small_talk_is_not_answered_with_the_report(searcher: Searcher, talk: str) -> None:
    assert searcher.ask(Question(talk)).status == "not_in_report"


def test_filters_that_let_nothing_through_are_said_so(searcher: Searcher) -> None:
    filters = Filters(("guide",), ("København",))
    answer = searcher.ask(Question("unge", filters=filters))
    assert (answer.status, answer.hits, answer.sentence) == ("not_in_report", (), None)
    assert answer.notice is not None
    assert "passer til din afgrænsning" in answer.notice


def test_a_question_about_an_unnamed_municipality_says_why_there_is_no_answer(
    searcher: Searcher,
) -> None:
    answer = searcher.ask(Question("Hvad gør Viborg mod indbrud?"))
    assert answer.status == "not_in_report"
    assert answer.notice is not None
    assert "nævner ikke Viborg" in answer.notice
    assert answer.hits


@pytest.mark.parametrize("name", ["Køge", "Læsø", "Varde"])
def test_a_municipality_is_not_taken_for_a_misspelt_word(searcher: Searcher, name: str) -> None:
    question = Question(f"Hvad gør {name} Kommune mod indbrud?")
    assert searcher.signals(question).unreported == 1.0
    answer = searcher.ask(question)
    assert answer.status == "not_in_report"
    assert f"nævner ikke {name}" in (answer.notice or "")


def test_an_english_question_gets_an_english_notice(searcher: Searcher) -> None:
    answer = searcher.ask(Question("What does Viborg do about burglaries?"))
    assert answer.notice is not None
    assert "does not mention Viborg" in answer.notice


def test_a_follow_up_is_understood_from_the_question_before(searcher: Searcher) -> None:
    history = ("Hvad er Det Gode Naboskab i Hjørring?",)
    hits = searcher.ask(Question("Hvordan er det organiseret?", history)).hits
    assert hits[0].passage.section == "hjoerring/organisering"
    moved = searcher.ask(Question("Og i Gentofte?", ("Hvordan er det organiseret i Hjørring?",)))
    assert moved.hits[0].passage.section == "gentofte/organisering"


def test_suggestions_are_questions_of_the_report_and_not_the_one_asked(searcher: Searcher) -> None:
    asked = BURGLARY
    for _ in range(3):
        answer = searcher.ask(Question(asked))
        assert answer.suggestions
        assert asked not in answer.suggestions
        asked = answer.suggestions[0]
        assert searcher.ask(Question(asked)).status == "answered"


@pytest.mark.parametrize(
    "question",
    [
        "?",
        "a",
        "😀😀😀",
        "HVAD GØR HJØRRING",
        "og i på det er",
        "asdfghjkl qwerty",
        "x" * 500,
        "\u0301" * 50,
        "\u200b",
        "\x07",
    ],
)
def test_odd_questions_get_a_sensible_answer(searcher: Searcher, question: str) -> None:
    answer = searcher.ask(Question(question))
    assert 0 <= answer.confidence <= 1
    assert (answer.notice is None) == (answer.status == "answered")


@pytest.mark.parametrize(
    "question",
    [
        Question("  "),
        Question("x" * 501),
        Question("x", history=("y",) * 11),
        Question("x", limit=0),
        Question("x", limit=21),
    ],
)
def test_a_question_that_cannot_be_used_is_refused(searcher: Searcher, question: Question) -> None:
    with pytest.raises(BadQuestionError):
        searcher.ask(question)


def test_all_entries_are_listed_in_the_reports_order(searcher: Searcher) -> None:
    hits = searcher.sections(None, Filters())
    assert [hit.section.kind for hit in hits] == ["case"] * 6 + ["typology"] * 8 + ["trend"] * 3
    assert all(hit.hits for hit in hits)


@pytest.mark.parametrize(
    ("topic", "slug"),
    [
        ("noget for landkommuner", "nordfyn"),
        ("ældre og it-svindel", "esbjerg"),
        ("SSP", "faste-partnerskaber"),
    ],
)
def test_a_topic_finds_the_whole_case_or_type(searcher: Searcher, topic: str, slug: str) -> None:
    assert searcher.sections(topic, Filters())[0].section.slug == slug


def test_other_kinds_of_sections_are_found_when_asked_for(searcher: Searcher) -> None:
    hits = searcher.sections("spørgsmål til politikere", Filters(kinds=("guide",)))
    assert {hit.section.kind for hit in hits} == {"guide"}
    # The guide's opening says that there are questions for each role.
    assert {hit.section.slug for hit in hits[:2]} == {
        "laesevejledning",
        "laesevejledning/politikere",
    }
    hits = searcher.sections("politikernes ansvar", Filters(kinds=("guide",)))
    assert hits[0].section.slug == "laesevejledning/politikere"


# --- reader questions and weights -----------------------------------------------------------------


@pytest.fixture(scope="module")
def small(encoder: Encoder) -> store.Contents:
    return build.embed(build.read_reports(SMALL_REPORTS), encoder)


def test_a_question_that_the_report_leaves_unanswered_is_nearer_to_those_than_to_the_answered(
    searcher: Searcher, source: build.Source
) -> None:
    for given in list(source.reader_questions.values())[::9]:
        assert searcher.signals(Question(given.unanswered[0])).unanswered > 0
        assert searcher.signals(Question(given.suggest)).unanswered < 0


def test_how_much_nearer_is_a_difference_of_cosines(
    small: store.Contents, encoder: Encoder
) -> None:
    """In hundredths, with the nearest question of either kind, whatever its passage."""
    asked = "planterne i Odense bliver vandet"  # of the report's own words: nothing is corrected
    (source,) = build.read_reports(SMALL_REPORTS)
    given = source.reader_questions.values()
    question = encoder.encode_questions([asked])[0].pooled
    answered = encoder.encode_reader_questions([q for g in given for q, _ in g.answered])
    unanswered = encoder.encode_reader_questions([q for g in given for q in g.unanswered])
    best = [
        max(float(e.pooled @ question) for e in encodings) for encodings in (unanswered, answered)
    ]
    found = Searcher(small, encoder).signals(Question(asked)).unanswered
    assert found == pytest.approx(100 * (best[0] - best[1]), abs=0.01)


def test_reader_questions_of_one_report_are_not_held_against_what_another_answers(
    encoder: Encoder,
) -> None:
    with_them = build.read_reports(SMALL_REPORTS)
    without = build.read_reports(Path(__file__).parent / "reports")
    assert with_them[0].reader_questions
    assert not without[0].reader_questions
    asked = Question("Hvor mange flere børn gik til skole?")
    both = Searcher(build.embed((*with_them, *without), encoder), encoder)
    assert both.ask(asked).hits[0].passage.report == without[0].report.id
    signals = both.signals(asked)
    assert (signals.unasked, signals.unanswered) == (0.0, confidence.UNDECIDED)
    assert both.ask(asked).status == "answered"
    given = next(g for g in with_them[0].reader_questions.values() if g.unanswered)
    assert both.signals(Question(given.unanswered[0])).unanswered > 0


def test_without_reader_questions_nothing_is_held_against_a_question(encoder: Encoder) -> None:
    reports = build.read_reports(Path(__file__).parent / "reports")
    assert reports[0].reader_questions == {}
    searcher = Searcher(build.embed(reports, encoder), encoder)
    signals = searcher.signals(Question("Hvor mange flere børn gik til skole?"))
    assert (signals.unasked, signals.unanswered) == (0.0, confidence.UNDECIDED)
    hits = searcher.ask(Question("Hvor mange flere børn gik til skole?")).hits
    assert hits[0].passage.id == "lille-rapport/lys/1"


def test_the_sentence_that_a_reader_question_leads_to_is_highlighted_for_it(
    searcher: Searcher, source: build.Source
) -> None:
    """More often than without the reader questions, where its words alone have to show it."""
    passages = {passage.id: passage for passage in source.report.passages}
    asked = [
        (name, question, sentence)
        for name, given in source.reader_questions.items()
        for question, sentence in given.answered
        if sentence != WHOLE and len(passages[name].sentences) >= 4
    ][::11]
    right = []
    for by in (searcher, searcher.weighing(Weights(asked=0))):
        found = 0
        for name, question, sentence in asked:
            hits = {hit.passage.id: hit for hit in by.ask(Question(question, limit=20)).hits}
            span = passages[name].sentences[sentence]
            found += name in hits and hits[name].highlights[0] == span
        right.append(found / len(asked))
    assert len(asked) >= 30
    assert right[0] >= 0.8
    assert right[0] >= right[1] + 0.1


def test_a_searcher_that_weighs_otherwise_is_as_one_made_so(
    encoder: Encoder, small: store.Contents
) -> None:
    searcher = Searcher(small, encoder)
    questions = [Question("Hvad kostede drivhuset?"), Question("Børnene på bålpladsen")]
    before = [searcher.ask(question) for question in questions]
    for weights in (*ALONE.values(), Weights(asked=0)):
        made = Searcher(small, encoder, weights)
        other = searcher.weighing(weights)
        answers = [other.ask(question) for question in questions]
        assert answers == [made.ask(question) for question in questions]
        assert answers != before
    assert [searcher.ask(question) for question in questions] == before
