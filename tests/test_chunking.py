"""Passages are slices of the report: nothing twice, nothing lost, nothing reworded.

``tests/golden/passages.txt`` holds every passage of the real report as it was read and approved.
After a wanted change write it anew and read the difference before committing it:

    UPDATE_GOLDEN=1 python -m pytest tests/test_chunking.py -k golden --no-cov
    git diff tests/golden
"""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tryghed_search import danish
from tryghed_search.chunking import MAX_LENGTH, name_patterns, report_from
from tryghed_search.outline import Declared, Outline, fold, parse
from tryghed_search.passages import Passage, Report, page_label

REPORT_FOLDER = Path(__file__).parents[1] / "ingest" / "lokal-tryghed-1"
GOLDEN = Path(__file__).parent / "golden" / "passages.txt"
ANY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ENDS_A_SENTENCE = re.compile(r"[.!?…][\"'»«”’)\]]*$")


@pytest.fixture(scope="module")
def outline_toml() -> str:
    return (REPORT_FOLDER / "outline.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def outline(outline_toml: str, report_text: str) -> Outline:
    return parse(outline_toml, report_text)


def body(declared: Declared, text: str) -> list[int]:
    """Places of the characters that must be quoted: what is no space, asterisk pair or heading."""
    section = declared.section
    stars = {
        at + shift
        for match in re.finditer(r"\*\*", text[section.start : section.end])
        for at in (section.start + match.start(),)
        for shift in (0, 1)
    }
    places = range(section.body_start, section.end)
    return [at for at in places if not text[at].isspace() and at not in stars]


# --- the real report ------------------------------------------------------------------------------


def test_every_character_of_the_body_stands_in_exactly_one_passage(
    report: Report, outline: Outline
) -> None:
    count = [0] * len(report.text)
    for passage in report.passages:
        for at in range(passage.start, passage.end):
            count[at] += 1
    for declared in outline.declared:
        wanted = 0 if declared.leave_out else 1
        wrong = [at for at in body(declared, report.text) if count[at] != wanted]
        assert wrong == [], (
            declared.section.slug,
            report.text[wrong[0] : wrong[0] + 60] if wrong else "",
        )


def test_every_sentence_of_the_body_stands_in_exactly_one_passage(
    report: Report, outline: Outline
) -> None:
    """Sentences found without the chunking: paragraph by paragraph in the source."""
    quoted: dict[str, list[str]] = {section.slug: [] for section in report.sections}
    for passage in report.passages:
        quoted[passage.section].append(passage.text)
    sentences = 0
    for declared in outline.declared:
        if declared.leave_out:
            continue
        own = report.text[declared.section.body_start : declared.section.end]
        for paragraph in own.split("\n"):
            folded = fold(paragraph)
            for start, end in danish.sentences(folded):
                sentence = folded[start:end]
                found = sum(text.count(sentence) for text in quoted[declared.section.slug])
                assert found == fold(own).count(sentence) >= 1, sentence
                sentences += 1
    assert sentences > 300


def test_no_heading_is_quoted_but_those_that_the_outline_says(
    report: Report, outline: Outline
) -> None:
    for declared in outline.declared:
        if declared.opening_is != "heading" or declared.leave_out:
            continue
        section = declared.section
        for passage in report.passages:
            overlaps = passage.start < declared.opened and section.start < passage.end
            assert not overlaps, passage.id


def test_a_passage_is_a_slice_of_its_source(report: Report) -> None:
    for passage in report.passages:
        assert passage.text == fold(report.text[passage.start : passage.end]), passage.id
        assert not report.text[passage.start].isspace()
        assert not report.text[passage.end - 1].isspace()


def test_a_passage_has_at_most_a_thousand_characters(report: Report) -> None:
    assert MAX_LENGTH == 1000
    assert {p.id for p in report.passages if not 0 < len(p.text) <= 1000} == set()


def test_a_passage_stands_inside_one_section(report: Report) -> None:
    for passage in report.passages:
        section = report.section(passage.section)
        assert section.body_start <= passage.start < passage.end <= section.end


def test_passages_stand_in_the_texts_order_without_overlap(report: Report) -> None:
    assert all(a.end <= b.start for a, b in pairwise(report.passages))


def test_a_section_is_cut_between_paragraphs_that_end_as_sentences_do(report: Report) -> None:
    """No paragraph of this report is too long for a passage, so none is cut inside."""
    cuts = 0
    for before, after in pairwise(report.passages):
        if before.section != after.section:
            continue
        cuts += 1
        between = report.text[before.end : after.start].replace("**", "")
        assert between.isspace()
        assert "\n" in between
        assert ENDS_A_SENTENCE.search(before.text), before.id
    assert cuts > 20


def test_no_passage_ends_in_the_middle_of_what_it_announces(report: Report) -> None:
    assert [p.id for p in report.passages if p.text.endswith((":", ",", "–"))] == []


def test_a_sentence_that_the_source_breaks_is_put_together(report: Report) -> None:
    (passage,) = [p for p in report.passages if "politiet holdt oplæg for" in p.text]
    broken = next(s for s in passage.sentences if "oplæg for" in passage.text[slice(*s)])
    assert passage.text[slice(*broken)] == (
        "Samtidig har politiet holdt oplæg for Sundhedscentrets forebyggelseskonsulenter, "
        "der har klædt medarbejderne på til at vejlede om digitalt tyveri."
    )


def test_a_learning_is_one_passage_with_its_heading(report: Report) -> None:
    learnings = [p for p in report.passages if p.section.endswith("/laeringer")]
    assert len(learnings) == 18, "three in each of the six cases"
    for passage in learnings:
        heading = passage.blocks[0]
        assert heading.role == "heading"
        assert re.match(r"[123]\) ", passage.text)
        assert passage.path[-1] == passage.text[heading.start : heading.end]


def test_a_type_is_one_passage_with_its_example(report: Report) -> None:
    types = [p for p in report.passages if p.kind == "typology" and p.entry]
    assert len(types) == 8
    for number, passage in enumerate(types, start=1):
        assert passage.text.startswith(f"{number} ")
        assert re.search(r"\bEksemp(?:el|ler): ", passage.text)


def test_the_slips_of_the_source_stay_in_the_quotations(report: Report) -> None:
    quoted = " ".join(passage.text for passage in report.passages)
    for slip in ("arbejds gange", "medicin håndtering", "Campden", "skruerækkerere", "tryk ramme"):
        assert slip in quoted
    assert "83,3% af føler" in quoted


def test_blocks_and_sentences_cover_the_text_without_overlap(report: Report) -> None:
    for passage in report.passages:
        for spans in (
            [(block.start, block.end) for block in passage.blocks],
            list(passage.sentences),
        ):
            assert spans[0][0] == 0
            assert spans[-1][1] == len(passage.text)
            assert all(start < end for start, end in spans)
            for (_, end), (start, _) in pairwise(spans):
                assert passage.text[end:start] == " ", passage.id


def test_a_sentence_stands_in_one_block(report: Report) -> None:
    for passage in report.passages:
        for start, end in passage.sentences:
            assert any(b.start <= start and end <= b.end for b in passage.blocks), passage.id


def test_ids_are_the_sections_and_a_running_number(report: Report) -> None:
    seen: dict[str, int] = {}
    for passage in report.passages:
        seen[passage.section] = seen.get(passage.section, 0) + 1
        assert passage.id == f"lokal-tryghed-1/{passage.section}/{seen[passage.section]}"
    assert len({p.id for p in report.passages}) == len(report.passages)


def test_anchors_of_sections_and_passages_are_unique(report: Report) -> None:
    """The reading view puts an anchor on every section and on every passage."""
    anchors = [s.anchor for s in report.sections] + [p.anchor for p in report.passages]
    assert len(set(anchors)) == len(anchors)


def test_a_passage_carries_what_its_section_says(report: Report) -> None:
    for passage in report.passages:
        section = report.section(passage.section)
        assert passage.path[: len(section.path)] == section.path
        assert len(passage.path) <= len(section.path) + 1
        for name in ("kind", "page", "page_stated", "themes", "audiences", "entry"):
            assert getattr(passage, name) == getattr(section, name)
        assert passage.municipalities[: len(section.municipalities)] == section.municipalities


def test_a_municipality_named_in_a_passage_is_one_of_its_municipalities(report: Report) -> None:
    guide = next(p for p in report.passages if "Høje-Taastrup Kommune har succes" in fold(p.text))
    assert "Høje-Taastrup" in guide.municipalities
    example_of_place = next(p for p in report.passages if "Torstorp" in p.text)
    assert example_of_place.municipalities == ("Høje-Taastrup",), "written without a hyphen"
    nordfyn = next(p for p in report.passages if p.text.startswith("Nordfyns Kommune giver"))
    assert nordfyn.municipalities == ("Nordfyn",)


def test_a_municipality_is_no_part_of_another_word() -> None:
    patterns = name_patterns({"Greve": (), "Aarhus": ("Århus",)})
    assert patterns["Greve"].search("i Greves skoler")
    assert not patterns["Greve"].search("grevens slot, Grevegade")
    assert patterns["Aarhus"].search("ÅRHUS")


# --- ids and texts last ---------------------------------------------------------------------------


def test_passages_are_the_same_when_the_report_is_read_again(
    report: Report, outline_toml: str
) -> None:
    assert report_from(parse(outline_toml, report.text), report.text) == report


@pytest.mark.parametrize(
    "slug", ["forord", "hjoerring/laeringer", "ad-hoc", "stedsbaseret/eksempel"]
)
def test_a_change_in_one_section_leaves_all_others_as_they_were(
    report: Report, outline_toml: str, slug: str
) -> None:
    more = "\n\n" + " ".join(f"Her er en ny sætning nummer {n} om noget andet." for n in range(60))
    end = report.section(slug).end
    at = end - (len(report.text[:end]) - len(report.text[:end].rstrip()))
    text = report.text[:at] + more + report.text[at:]
    changed = report_from(parse(outline_toml, text), text)
    was = [p for p in report.passages if p.section != slug]
    now = [p for p in changed.passages if p.section != slug]
    assert [p.id for p in now] == [p.id for p in was]
    for before, after in zip(was, now, strict=True):
        shift = 0 if before.end <= at else len(more)
        assert (after.start, after.end) == (before.start + shift, before.end + shift)
        assert (after.text, after.blocks, after.sentences, after.path) == (
            before.text,
            before.blocks,
            before.sentences,
            before.path,
        )
    own = [p.text for p in changed.passages if p.section == slug]
    assert len(own) > len([p for p in report.passages if p.section == slug])
    assert "Her er en ny sætning nummer 59" in own[-1]


def test_a_section_that_is_left_out_changes_no_other(report: Report, outline_toml: str) -> None:
    opening = 'slug = "gentofte/organisering"\n'
    assert opening in outline_toml
    without = outline_toml.replace(opening, opening + 'leave_out = "to see"\n')
    changed = report_from(parse(without, report.text), report.text)
    assert [p for p in report.passages if p.section != "gentofte/organisering"] == list(
        changed.passages
    )


# --- every passage, read and approved -------------------------------------------------------------


def rendered(report: Report) -> str:
    return "\n".join(_passage(passage) for passage in report.passages)


def _passage(passage: Passage) -> str:
    page = page_label(passage.page, passage.page_stated) or "no page"
    marks = {"heading": "# ", "paragraph": "¶ ", "item": "* "}
    lines = [
        f"{passage.id}  [{passage.start}:{passage.end}]  {len(passage.text)} characters",
        f"{passage.kind}, {page}, entry: {passage.entry or 'none'}",
        " › ".join(passage.path),
        "; ".join(
            ", ".join(values) or "-"
            for values in (passage.municipalities, passage.themes, passage.audiences)
        ),
    ]
    for block in passage.blocks:
        inside = [s for s in passage.sentences if block.start <= s[0] and s[1] <= block.end]
        for number, (start, end) in enumerate(inside):
            mark = marks[block.role] if number == 0 else "  "
            lines.append(f"    {mark}{passage.text[start:end]}")
    return "\n".join(lines) + "\n"


def test_the_passages_are_those_of_the_golden_file(report: Report) -> None:
    now = rendered(report)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(now, encoding="utf-8")
    assert now == GOLDEN.read_text(encoding="utf-8"), "see the head of tests/test_chunking.py"


# --- any text -------------------------------------------------------------------------------------

OUTLINE = """\
[report]
id = "r"
title = "R"
publisher = "P"
language = "da"

[[section]]
slug = "a"
title = "A"
opens = ["Afsnit A"]
kind = "intro"

[[section]]
slug = "b"
title = "B"
opens = ["Afsnit B"]
kind = "intro"
"""

words = st.sampled_from(
    "kommunen borgerne tryghed bl.a. **samarbejdet** politiet ca. 83,3% §17, stk. 4-udvalg og i "
    "'Tryk Aalborg' (RGP) \"digitale hjem\" – m.fl. området naboskab d. 5. maj nr. 7 **".split(" ")
)
ends = st.sampled_from([".", ".", ".", "?", "!", ":", "", '."', ".**"])


@st.composite
def sentence(draw: st.DrawFn) -> str:
    inside = draw(st.lists(words, min_size=1, max_size=40))
    return " ".join(["Her", *inside, "slut"]) + draw(ends)


@st.composite
def paragraph(draw: st.DrawFn) -> str:
    mark = draw(st.sampled_from(["", "", "", "- ", "2. ", "• ", "**"]))
    space = draw(st.sampled_from([" ", "  ", " \u00a0", " ** "]))
    return mark + space.join(draw(st.lists(sentence(), min_size=1, max_size=12)))


paragraphs = st.lists(paragraph(), min_size=1, max_size=8)
breaks = st.sampled_from(["\n\n", "\n", "\n \n", "\n\n\n"])


def checked(text: str, outline_toml: str = OUTLINE) -> Report:
    """The report of any text, with the promises that hold for all of them."""
    outline = parse(outline_toml, text)
    report = report_from(outline, text)
    count = [0] * len(text)
    for passage in report.passages:
        assert passage.text == fold(text[passage.start : passage.end])
        assert 0 < len(passage.text) <= MAX_LENGTH
        spans = [(b.start, b.end) for b in passage.blocks]
        for cover in (spans, list(passage.sentences)):
            joined = "".join(passage.text[start:end] for start, end in cover)
            assert joined.replace(" ", "") == passage.text.replace(" ", "")
            assert all(a[1] <= b[0] for a, b in pairwise(cover))
        for at in range(passage.start, passage.end):
            count[at] += 1
    for declared in outline.declared:
        assert all(count[at] == 1 for at in body(declared, text))
    return report


@settings(ANY_MACHINE, max_examples=60)
@given(paragraphs, paragraphs, breaks)
@example(["- " + "x" * 2500], ["**"], "\n")
@example(["Her er **", "** der."], ["a*", "*b"], "\n\n")
def test_any_text_is_quoted_whole_once_and_in_short_passages(
    first: list[str], second: list[str], between: str
) -> None:
    text = f"Afsnit A{between}{between.join(first)}\n\n**Afsnit B**\n{between.join(second)}\n"
    checked(text)


@settings(ANY_MACHINE, max_examples=40)
@given(st.lists(st.integers(5, 180), min_size=2, max_size=60), st.integers(0, 3))
def test_a_long_section_is_cut_at_sentence_ends_into_few_and_equal_parts(
    lengths: list[int], every: int
) -> None:
    sentences = ["O" + "r" * length + "d." for length in lengths]
    lines = "".join(
        s + ("\n\n" if every and n % (7 * every) == 0 else " ") for n, s in enumerate(sentences, 1)
    )
    report = checked(f"Afsnit A\n\n{lines}\n\nAfsnit B\nSlut.\n")
    parts = [p for p in report.passages if p.section == "a"]
    for passage in parts:
        assert ENDS_A_SENTENCE.search(passage.text)
        assert all(word in sentences for word in passage.text.split(" "))
    fewest, room = 1, -1
    for s in sentences:  # as many as fit, one after another, gives the fewest parts there can be
        if room + 1 + len(s) > MAX_LENGTH:
            fewest, room = fewest + 1, -1
        room += 1 + len(s)
    assert len(parts) == fewest
    for left, right in pairwise(parts):
        if every:
            continue  # paragraph ends count for more than equal parts
        _, _, last = left.text.rpartition(" ")
        first, _, _ = right.text.partition(" ")
        here, there = len(left.text), len(right.text)
        for moved in (-len(last) - 1, len(first) + 1):
            fits = 0 < here + moved <= MAX_LENGTH and 0 < there - moved <= MAX_LENGTH
            assert not fits or abs(here - there) <= abs(here - there + 2 * moved)


@settings(ANY_MACHINE, max_examples=40)
@given(paragraphs, paragraphs, paragraphs)
def test_what_stands_in_one_section_never_touches_another(
    first: list[str], other: list[str], second: list[str]
) -> None:
    def texts(of_a: list[str], slug: str) -> list[tuple[str, str]]:
        text = "Afsnit A\n\n{}\n\nAfsnit B\n\n{}\n".format("\n\n".join(of_a), "\n\n".join(second))
        report = report_from(parse(OUTLINE, text), text)
        return [(p.id, p.text) for p in report.passages if p.section == slug]

    assert texts(first, "b") == texts(other, "b")


def test_a_paragraph_end_is_a_better_place_to_cut_than_the_middle_of_one() -> None:
    long, short = "En sætning på nogle ord. " * 30, "Kort afsnit. " * 20
    report = checked(f"Afsnit A\n\n{long}\n\n{short}\n\nAfsnit B\nSlut.\n")
    first, second = [p for p in report.passages if p.section == "a"]
    assert first.text == fold(long)
    assert second.text == fold(short)


def test_a_colon_is_never_parted_from_what_it_announces() -> None:
    filler = "En sætning på nogle flere ord end før. " * 25
    text = f"Afsnit A\n\n{filler}\n\nHer er tre:\n\n- et\n- to\n- tre\n\nAfsnit B\nSlut.\n"
    parts = [p.text for p in checked(text).passages if p.section == "a"]
    assert len(parts) == 2
    assert parts[1].endswith("Her er tre: - et - to - tre")


def test_a_colon_before_a_unit_goes_with_the_unit() -> None:
    toml = OUTLINE.replace('slug = "a"', 'slug = "a"\nunits = ["Først", "Så"]')
    text = "Afsnit A\n\nIndledning.\n\nHer er to:\n\nFørst\nEt.\n\nSå\nTo.\n\nAfsnit B\nSlut.\n"
    parts = [(p.path[1:], p.text) for p in checked(text, toml).passages if p.section == "a"]
    assert parts == [
        ((), "Indledning."),
        (("Først",), "Her er to: Først Et."),
        (("Så",), "Så To."),
    ]


def test_a_sentence_longer_than_a_passage_is_cut_at_a_space() -> None:
    text = f"Afsnit A\n\n{'ord og ' * 300}slut.\n\nAfsnit B\nSlut.\n"
    parts = [p.text for p in checked(text).passages if p.section == "a"]
    assert len(parts) == 3
    assert " ".join(parts) == fold("ord og " * 300 + "slut.")
