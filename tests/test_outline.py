"""The outline fits its text, says what the report says, and an editor's slips are explained."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tryghed_search.build import Source, read_reports
from tryghed_search.chunking import report_from
from tryghed_search.errors import OutlineError
from tryghed_search.outline import Outline, fold, parse
from tryghed_search.passages import Report, Section

REPORT_SHA256 = "43867e52103b10c7b220119ad78cb66b1fb160031950f7cd26ac14e496036642"
REPORT_FOLDER = Path(__file__).parents[1] / "ingest" / "lokal-tryghed-1"

TEXT = """\
Om haven

Haven er ny. Den er åben for alle.

**Drivhuset:**

 Tomater
og agurker
Tomater vokser under glas.

7

Bålpladsen
Her brænder vi kvas.
"""
OUTLINE = """\
[report]
id = "haven"
title = "Haven"
publisher = "Foreningen"
language = "da"

[municipalities]
"Odense" = []

[[section]]
slug = "om"
title = "Om haven"
opens = ["Om haven"]
kind = "intro"
page = 2
page_is = "stated"

[[section]]
slug = "drivhus"
title = "Drivhuset: Tomater og agurker"
in = "om"
opens = ["Drivhuset:", "Tomater", "og agurker"]
kind = "case"
entry = "drivhus"
page = 3
page_is = "inferred"
municipalities = ["Odense"]

[[section]]
slug = "baal"
title = "7 Bålpladsen"
opens = ["7", "Bålpladsen"]
opening_is = "quoted-heading"
kind = "trend"
entry = "baal"
"""


def changed(old: str, new: str) -> str:
    assert OUTLINE.count(old) == 1, f"{old!r} must stand in the outline once"
    return OUTLINE.replace(old, new)


def line_of(outline: str, slug: str) -> int:
    """The line of the outline on which the section with that slug begins."""
    return outline[: outline.index(f'slug = "{slug}"')].count("\n")


def refused(outline: str, text: str = TEXT) -> str:
    """The message with which an outline is refused: one line that names the file."""
    with pytest.raises(OutlineError) as caught:
        report_from(parse(outline, text, "have.toml"), text)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- an outline that fits -------------------------------------------------------------------------


def sections(outline: Outline) -> dict[str, Section]:
    return {declared.section.slug: declared.section for declared in outline.declared}


def test_sections_follow_each_other_without_a_gap() -> None:
    found = list(sections(parse(OUTLINE, TEXT)).values())
    assert [section.slug for section in found] == ["om", "drivhus", "baal"]
    assert [section.end for section in found[:-1]] == [section.start for section in found[1:]]
    assert (found[0].start, found[-1].end) == (0, len(TEXT))


def test_a_heading_broken_over_lines_and_stray_asterisks_is_one_heading() -> None:
    drivhus = sections(parse(OUTLINE, TEXT))["drivhus"]
    assert TEXT[drivhus.start :].startswith("**Drivhuset:**")
    assert fold(TEXT[drivhus.body_start : drivhus.end]) == "Tomater vokser under glas."


def test_a_number_alone_on_a_line_belongs_to_the_heading_below_it() -> None:
    baal = sections(parse(OUTLINE, TEXT))["baal"]
    assert fold(TEXT[baal.start : baal.end]) == "7 Bålpladsen Her brænder vi kvas."
    assert baal.body_start == baal.start, "a quoted heading is part of what is quoted"


def test_the_path_holds_the_titles_from_the_top() -> None:
    found = sections(parse(OUTLINE, TEXT))
    assert found["drivhus"].path == ("Om haven", "Drivhuset: Tomater og agurker")
    assert found["drivhus"].parent == "om"
    assert found["baal"].path == ("7 Bålpladsen",)
    assert found["baal"].parent is None


def test_a_section_takes_what_it_does_not_say_from_the_one_it_stands_in() -> None:
    found = sections(
        parse(changed('entry = "drivhus"\npage = 3\npage_is = "inferred"\n', ""), TEXT)
    )
    assert (found["drivhus"].page, found["drivhus"].page_stated) == (2, True)
    assert found["drivhus"].kind == "case"
    assert found["baal"].page is None


def test_windows_line_ends_change_nothing_but_the_offsets() -> None:
    text = TEXT.replace("\n", "\r\n")
    plain = report_from(parse(OUTLINE, TEXT), TEXT)
    windows = report_from(parse(OUTLINE.replace("\n", "\r\n"), text), text)
    assert [(p.id, p.text) for p in windows.passages] == [(p.id, p.text) for p in plain.passages]


def test_lines_are_counted_as_an_editor_counts_them_also_past_a_page_break() -> None:
    text = TEXT.replace("**Drivhuset", "\f**Drivhuset").replace("Bålpladsen", "Bål")
    message = refused(OUTLINE, text)
    assert "'7 / Bålpladsen'" in message
    line = next(n for n, line in enumerate(text.split("\n"), 1) if "vokser" in line)
    assert f"line {line} of the text" in message


@settings(deadline=None)
@given(st.text(alphabet="ab* \n\t\u00a0\f.", max_size=40))
def test_folding_twice_is_folding_once_where_no_asterisks_are_left(text: str) -> None:
    folded = fold(text)
    assert "  " not in folded
    assert folded == folded.strip()
    assert not re.search(r"[\n\t\f\u00a0]", folded)
    assert "".join(text.replace("**", "").split()) == folded.replace(" ", "")
    if "**" not in folded:
        assert fold(folded) == folded


# --- an outline that does not fit its text --------------------------------------------------------


def test_a_heading_that_is_not_there_is_named_with_its_lines() -> None:
    outline = changed('"og agurker"]', '"og kål"]')
    message = refused(outline)
    assert f"have.toml, line {line_of(outline, 'drivhus')}:" in message
    assert "'drivhus' should open with 'Drivhuset: / Tomater / og kål'" in message
    assert "from line 3 of the text on" in message, "the first line that is not placed yet"
    assert "Correct 'opens'" in message


def test_a_heading_missing_at_the_end_of_the_text_is_named() -> None:
    message = refused(OUTLINE, TEXT[: TEXT.index("Tomater vokser")])
    assert "'7 / Bålpladsen'" in message
    assert "line 8 of the text" in message


def test_an_empty_text_is_refused() -> None:
    assert "'om' should open with 'Om haven'" in refused(OUTLINE, "\n \n")


def test_sections_out_of_order_are_named_with_the_line_where_the_heading_stands() -> None:
    head, om, drivhus, baal = re.split(r"(?m)^(?=\[\[section\]\])", OUTLINE)
    outline = head + om + baal + drivhus
    message = refused(outline)
    assert f"have.toml, line {line_of(outline, 'drivhus')}:" in message
    assert "'drivhus' is out of order" in message
    assert "'Drivhuset: / Tomater / og agurker' stands on line 5 of the text" in message


def test_a_slug_that_stands_twice_is_named_with_its_line_and_both_titles() -> None:
    outline = changed('slug = "baal"', 'slug = "drivhus"')
    message = refused(outline)
    line = outline[: outline.rindex('slug = "drivhus"')].count("\n")
    assert f"have.toml, line {line}: the slug 'drivhus' is declared twice" in message
    assert "'7 Bålpladsen'" in message
    assert "'Drivhuset: Tomater og agurker'" in message


def test_text_before_the_first_section_is_not_lost_in_silence() -> None:
    message = refused(OUTLINE, "En undertitel\n\n" + TEXT)
    assert "line 1 of the text ('En undertitel')" in message
    assert "'om'" in message


def test_a_closing_line_that_is_not_there_is_named() -> None:
    outline = changed('opens = ["Om haven"]', 'opens = ["Om haven"]\ncloses = "Velkommen"')
    message = refused(outline)
    assert "'om' should close with 'Velkommen'" in message
    assert "line 1 of the text" in message
    assert f"have.toml, line {line_of(outline, 'om')}:" in message


def test_a_section_that_closes_late_hides_the_headings_that_it_repeats() -> None:
    text = "Indhold\nBålpladsen\nslut\n7\nBålpladsen\nHer er der bål.\n"
    outline = """\
[report]
id = "h"
title = "H"
publisher = "F"
language = "da"
[[section]]
slug = "indhold"
title = "Indhold"
opens = ["Indhold"]
closes = "slut"
leave_out = "repeats the headings"
[[section]]
slug = "baal"
title = "Bål"
opens = ["7", "Bålpladsen"]
kind = "intro"
"""
    report = report_from(parse(outline, text), text)
    assert [passage.text for passage in report.passages] == ["Her er der bål."]
    assert [section.slug for section in report.sections] == ["baal"]


def test_a_unit_that_is_not_there_is_named_with_the_lines_of_its_section() -> None:
    outline = changed('slug = "baal"', 'slug = "baal"\nunits = ["Om kvas"]')
    message = refused(outline)
    assert "'haven/baal' (lines 11 to 14 of the text)" in message
    assert "'Om kvas'" in message
    assert "Correct 'units'" in message


def test_units_out_of_order_are_refused() -> None:
    outline = changed(
        'slug = "baal"', 'slug = "baal"\nunits = ["Her brænder vi kvas.", "Bålpladsen"]'
    )
    assert "'Bålpladsen' after the unit before it" in refused(outline)


def test_a_continuation_that_is_not_there_is_named_with_the_lines_of_its_section() -> None:
    outline = changed('slug = "om"', 'slug = "om"\ncontinues = ["og kvas"]')
    message = refused(outline)
    assert "'haven/om' (lines 1 to 3 of the text)" in message
    assert "'og kvas'" in message
    assert "Correct 'continues'" in message


# --- an outline that is not well made -------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "slug", "says"),
    [
        ('kind = "trend"', 'kind = "trend"\ntitel = "x"', "baal", "unknown key 'titel'"),
        ('kind = "trend"', 'kind = "tendens"', "baal", "one of case, typology, trend"),
        ('kind = "trend"\n', "", "baal", "needs a kind"),
        ('kind = "trend"', 'kind = ["trend"]', "baal", "'kind' of section 'baal' must be a text"),
        ('kind = "trend"', 'kind = "trend"\npage = "3"', "baal", "must be a whole number"),
        ('kind = "trend"', 'kind = "trend"\npage = true', "baal", "must be a whole number"),
        ('kind = "trend"', 'kind = "trend"\npage = 9', "baal", "page and page_is together"),
        ('kind = "trend"', 'kind = "trend"\nthemes = "bål"', "baal", "must be a list of texts"),
        ('kind = "trend"', 'kind = "trend"\nthemes = [7]', "baal", "must be a list of texts"),
        ('kind = "trend"', 'kind = "trend"\nthemes = [" "]', "baal", "must be a list of texts"),
        ('page_is = "inferred"', 'page_is = "guessed"', "drivhus", "stated, inferred"),
        ('"quoted-heading"', '"title"', "baal", "heading, quoted-heading, text"),
        ('["7", "Bålpladsen"]', "[]", "baal", "at least one opening line"),
        ('["7", "Bålpladsen"]', '"Bålpladsen"', "baal", "must be a list of texts"),
        ('in = "om"', 'in = "haven"', "drivhus", "'haven', which is not declared before it"),
        ('entry = "baal"', 'entry = "grill"', "baal", "the entry 'grill'"),
        ('entry = "baal"', 'entry = "om"', "baal", "the entry 'om'"),
        ('["Odense"]', '["Odnse"]', "drivhus", "'Odnse'; [municipalities] does not"),
        ('kind = "trend"', 'kind = "trend"\naudiences = ["chef"]', "baal", "politiker, leder"),
        ('title = "7 Bålpladsen"\n', "", "baal", "needs 'title'"),
        ('slug = "baal"', 'slug = "bål"', "bål", "å as aa"),
        ('slug = "baal"', 'slug = "Baal"', "Baal", "may hold a-z"),
        ('slug = "baal"', 'slug = "baal/"', "baal/", "may hold a-z"),
        ('slug = "baal"', 'slug = "../baal"', "../baal", "may hold a-z"),
        ('page = 3\npage_is = "inferred"\n', "page = 3\n", "drivhus", "page and page_is together"),
    ],
)
def test_a_slip_is_named_with_its_section_and_line(
    old: str, new: str, slug: str, says: str
) -> None:
    outline = changed(old, new)
    message = refused(outline)
    assert says in message
    assert repr(slug) in message
    assert message.startswith(f"have.toml, line {line_of(outline, slug)}: ")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[report]", "[rapport]", "needs a table [report]"),
        ('id = "haven"\n', "", "needs id"),
        ('id = "haven"', 'id = "have/n"', "may hold a-z"),
        ('publisher = "Foreningen"', 'publisher = " "', "needs publisher"),
        ('language = "da"', "language = 1", "needs language"),
        ('"Odense" = []', '"Odense" = "Ods"', "spellings of 'Odense'"),
        ('[municipalities]\n"Odense" = []', "[other]", "'Odense'; [municipalities] does not"),
        ('language = "da"', 'language = "da', "not valid TOML"),
        ('slug = "om"\n', "", "section 'number 1' needs 'slug'"),
    ],
)
def test_a_slip_outside_the_sections_is_named(old: str, new: str, says: str) -> None:
    message = refused(changed(old, new))
    assert message.startswith("have.toml")
    assert says in message


def test_municipalities_must_be_a_table() -> None:
    outline = "municipalities = 1\n" + changed("[municipalities]", "[other]")
    assert "[municipalities] must be a table" in refused(outline)


def test_an_outline_without_sections_is_refused() -> None:
    assert "declares no [[section]]" in refused(OUTLINE[: OUTLINE.index("[[section]]")])


def test_a_section_under_one_that_is_left_out_is_refused() -> None:
    outline = changed('title = "Om haven"', 'title = "Om haven"\nleave_out = "old"')
    assert "'drivhus' stands in 'om', which is left out" in refused(outline)


def test_an_entry_that_is_left_out_is_refused() -> None:
    outline = changed('title = "7 Bålpladsen"', 'title = "7 Bålpladsen"\nleave_out = "old"')
    outline = outline.replace('entry = "drivhus"', 'entry = "baal"')
    assert "'drivhus' belongs to the entry 'baal'" in refused(outline)


def test_sections_written_in_another_way_are_named_without_a_line() -> None:
    outline = """\
section = [{slug = "om", title = "Om", opens = ["Om"], kind = "x"}]
[report]
id = "h"
title = "H"
publisher = "F"
language = "da"
"""
    assert refused(outline).startswith("have.toml: 'kind' of section 'om'")


# --- the real report's outline --------------------------------------------------------------------

# slug, kind, page and whether the report states it, as the text itself says.
FACTS: tuple[tuple[str, str, int | None, bool], ...] = (
    ("forord", "intro", None, False),
    ("laesevejledning", "guide", 4, True),
    ("laesevejledning/politikere", "guide", 5, False),
    ("laesevejledning/ledere", "guide", 6, False),
    ("laesevejledning/medarbejdere", "guide", 7, False),
    ("cases", "intro", 8, True),
    ("aalborg", "case", 10, True),
    ("hjoerring", "case", 11, True),
    ("gentofte", "case", 12, False),
    ("albertslund", "case", 13, True),
    ("esbjerg", "case", 14, True),
    ("nordfyn", "case", 15, False),
    ("organisering", "intro", 16, True),
    ("organisationsformer", "typology", 17, False),
    ("ad-hoc", "typology", 17, False),
    ("faste-partnerskaber", "typology", 17, True),
    ("tryghedsfora", "typology", 17, False),
    ("kredsraad-lokalraad", "typology", 17, False),
    ("tryghedsstrategier", "typology", 18, False),
    ("tvaerkommunale-samarbejder", "typology", 18, False),
    ("regionale-indsatser", "typology", 18, False),
    ("nationale-programmer", "typology", 18, False),
    ("tendenser", "trend", 19, False),
    ("tendenser/facilitator", "trend", 19, False),
    ("tendenser/stabsfunktion", "trend", 19, False),
    ("tendenser/stedsbaseret", "trend", 19, False),
    ("facilitator", "trend", 20, True),
    ("stabsfunktion", "trend", 21, True),
    ("stedsbaseret", "trend", 22, True),
)


@pytest.fixture(scope="module")
def declared(report_text: str) -> Outline:
    return parse((REPORT_FOLDER / "outline.toml").read_text(encoding="utf-8"), report_text)


def test_the_report_is_byte_for_byte_the_one_that_was_published() -> None:
    data = (REPORT_FOLDER / "report.txt").read_bytes()
    assert hashlib.sha256(data).hexdigest() == REPORT_SHA256


@pytest.mark.parametrize(("slug", "kind", "page", "stated"), FACTS)
def test_a_section_has_the_kind_and_page_that_the_report_gives_it(
    report: Report, slug: str, kind: str, page: int | None, stated: bool
) -> None:
    section = report.section(slug)
    assert (section.kind, section.page, section.page_stated) == (kind, page, stated)


def test_a_subsection_has_the_kind_and_page_of_its_section(report: Report) -> None:
    known = {slug for slug, *_ in FACTS}
    for section in report.sections:
        if section.slug in known:
            continue
        assert section.parent in known, section.slug
        above = report.section(section.parent or "")
        assert (section.kind, section.page) == (above.kind, above.page)
        assert section.page_stated == above.page_stated


def test_only_the_table_of_contents_and_the_map_are_left_out(declared: Outline) -> None:
    left_out = {d.section.slug: d.leave_out for d in declared.declared if d.leave_out}
    assert set(left_out) == {"indhold", "cases/kort"}


def test_pages_never_go_back(report: Report) -> None:
    pages = [section.page for section in report.sections if section.page is not None]
    assert pages == sorted(pages)


def test_a_page_that_the_report_states_stands_in_its_text(report: Report) -> None:
    """In the table of contents as a number, or in a cross-reference."""
    contents = report.text[report.text.index("Indhold") : report.text.index("Målgruppe 1")]
    for section in report.sections:
        if section.page_stated:
            numbered = re.search(rf"(?m)^{section.page}$", contents)
            assert numbered or f"(side {section.page})" in report.text, section.slug


def test_the_entries_are_six_cases_eight_types_and_three_trends(report: Report) -> None:
    kinds = [section.kind for section in report.entries]
    assert len(kinds) == 17
    assert kinds == ["case"] * 6 + ["typology"] * 8 + ["trend"] * 3


def test_every_part_of_a_case_type_or_trend_belongs_to_its_entry(report: Report) -> None:
    entries = {entry.slug for entry in report.entries}
    for section in report.sections:
        top = section.slug.split("/")[0]
        if top in entries:
            assert section.entry == top, section.slug


def test_the_overview_boxes_belong_to_the_trends_that_they_introduce(report: Report) -> None:
    for trend in ("facilitator", "stabsfunktion", "stedsbaseret"):
        assert report.section(f"tendenser/{trend}").entry == trend


def test_every_case_has_the_reports_own_skeleton(report: Report) -> None:
    slugs = [section.slug for section in report.sections]
    for case in (entry.slug for entry in report.entries if entry.kind == "case"):
        parts = [slug.removeprefix(f"{case}/") for slug in slugs if slug.startswith(f"{case}/")]
        assert [part for part in parts if part != "handling"] == [
            "kort-fortalt",
            "laeringer",
            "organisering",
        ]


def test_every_trend_has_three_questions_and_an_example(report: Report) -> None:
    for trend in ("facilitator", "stabsfunktion", "stedsbaseret"):
        titles = [
            report.section(f"{trend}/{part}").title for part in ("hvad", "forloese", "kraever")
        ]
        assert [title.split()[1] for title in titles] == ["går", "kan", "kræver"]
        assert report.section(f"{trend}/eksempel").title == "Eksempel"


def test_each_municipality_of_a_case_is_named_in_it(report: Report) -> None:
    for case in (entry for entry in report.entries if entry.kind == "case"):
        (municipality,) = case.municipalities
        whole = "".join(
            report.text[s.start : s.end] for s in report.sections if s.entry == case.slug
        )
        assert municipality in whole


def test_the_roles_of_the_reading_guide_are_those_of_its_three_parts(report: Report) -> None:
    roles = ("politiker", "leder", "udførende medarbejder")
    parts = ("politikere", "ledere", "medarbejdere")
    for part, role in zip(parts, roles, strict=True):
        assert report.section(f"laesevejledning/{part}").audiences == (role,)


def test_a_case_that_the_guide_gives_to_a_role_concerns_that_role(report: Report) -> None:
    """The guide refers a role to a page; what stands on that page says that it concerns it."""
    for part in ("politikere", "ledere", "medarbejdere"):
        guide = report.section(f"laesevejledning/{part}")
        pages = {
            int(n) for n in re.findall(r"\(side (\d+)\)", report.text[guide.start : guide.end])
        }
        assert pages
        for entry in report.entries:
            if entry.page in pages and entry.page_stated:
                assert guide.audiences[0] in entry.audiences, (part, entry.slug)


def test_the_outline_knows_every_municipality_that_the_report_names(source: Source) -> None:
    named = re.findall(r"((?:Høje )?[A-ZÆØÅ][\wæøå-]+) Kommune", source.report.text)
    known = {s.lower() for name, also in source.municipalities.items() for s in (name, *also)}
    assert len(set(named)) > 8
    assert {n for n in named if n.lower() not in known and n.lower()[:-1] not in known} == set()
    assert {"Camden", "Campden"} & set(source.municipalities) == set(), "not a Danish one"


def test_an_outline_that_does_not_fit_is_named_with_its_file(tmp_path: Path) -> None:
    folder = tmp_path / "haven"
    folder.mkdir()
    (folder / "report.txt").write_text(TEXT, encoding="utf-8")
    (folder / "outline.toml").write_text(changed('Om haven"]', 'Om gården"]'), encoding="utf-8")
    with pytest.raises(OutlineError, match=re.escape(str(folder / "outline.toml"))):
        read_reports(tmp_path)


# --- what belongs to one report -------------------------------------------------------------------

ONE = """
[report]
id = "r"
title = "T"
publisher = "P"
language = "da"
{more}
[[section]]
slug = "a"
title = "A"
opens = ["A"]
kind = "chapter"
audiences = ["{role}"]
"""


def test_a_report_may_be_for_roles_of_its_own() -> None:
    more = 'roles = ["skoleleder", "forælder"]'
    found = parse(ONE.format(more=more, role="forælder"), "A\n\nTekst.")
    assert found.declared[0].section.audiences == ("forælder",)
    with pytest.raises(OutlineError, match="known are skoleleder, forælder"):
        parse(ONE.format(more=more, role="leder"), "A\n\nTekst.")
    with pytest.raises(OutlineError, match=r"roles of \[report\] must be a list of texts"):
        parse(ONE.format(more="roles = 7", role="leder"), "A\n\nTekst.")


def test_a_report_offers_questions_of_its_own() -> None:
    more = '[examples]\nda = ["Hvad?", "Hvem?"]\nen = ["What?"]'
    found = parse(ONE.format(more=more, role="leder"), "A\n\nTekst.")
    assert found.examples == (("da", "Hvad?"), ("da", "Hvem?"), ("en", "What?"))
    for wrong in ('[examples]\nda = "Hvad?"', '[examples]\nda = [""]'):
        with pytest.raises(OutlineError, match=r"\[examples\] must be a table of languages"):
            parse(ONE.format(more=wrong, role="leder"), "A\n\nTekst.")
