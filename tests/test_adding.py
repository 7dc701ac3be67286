"""A document becomes a report: real PDF, DOCX, Markdown and text files, and those that are none."""

from __future__ import annotations

import io
import re
import subprocess
import tomllib
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser

from tests import policy_note
from tests.conftest import command
from tryghed_search import adding, api, build, chunking, outline, store
from tryghed_search.documents import Extracted, Line
from tryghed_search.drafting import draft, slug_of
from tryghed_search.embedding import Encoder
from tryghed_search.errors import DocumentError
from tryghed_search.extracting import Limits
from tryghed_search.passages import Question, Report
from tryghed_search.search import Searcher

TITLES = [title for _, title, _ in policy_note.SECTIONS]
QUESTIONS = (
    ("Hvor mange børn er kommet til skade ved Kirkevej?", "krydset-ved-kirkevej", "11 børn"),
    ("Hvor mange penge er der afsat?", "oekonomi-og-opfoelgning", "4,6 mio. kr."),
    ("Hvornår står eleverne skolepatrulje?", "skolepatruljer", "kl. 7.40"),
    ("Hvor langt fra porten skal forældre sætte børnene af?", "afsaetningszoner", "300 meter"),
)


@pytest.fixture(scope="module")
def documents(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The policy note in every format."""
    folder = tmp_path_factory.mktemp("documents")
    policy_note.make_pdf(browser, folder / "note.pdf")
    policy_note.make_docx(folder / "note.docx")
    policy_note.make_markdown(folder / "note.md")
    policy_note.make_text(folder / "note.txt")
    return folder


def read(folder: Path) -> tuple[outline.Outline, Report, str]:
    """A drafted report as ingest reads it."""
    text = (folder / "report.txt").read_text(encoding="utf-8")
    declared = outline.parse((folder / "outline.toml").read_text(encoding="utf-8"), text)
    return declared, chunking.report_from(declared, text), text


# --- what can be read -----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["pdf", "docx", "md", "txt"])
def test_every_section_is_drafted_with_its_title_and_all_of_its_text(
    documents: Path, tmp_path: Path, suffix: str
) -> None:
    added = adding.add(documents / f"note.{suffix}", tmp_path, report="skoleveje")
    declared, report, _ = read(added.folder)
    titles = [d.section.title for d in declared.declared if d.leave_out is None]
    assert titles == [policy_note.TITLE, *TITLES]
    assert added.sections == len(titles)
    assert added.passages == len(report.passages)
    said = {
        s.title: " ".join(p.text for p in report.passages if p.section == s.slug)
        for s in report.sections
    }
    for _, title, paragraphs in policy_note.SECTIONS:
        for paragraph in paragraphs:
            assert paragraph.removeprefix("- ") in said[title]
    assert report.section("skolepatruljer").parent == "det-goer-vi"


@pytest.mark.parametrize(("suffix", "stated"), [("pdf", True), ("docx", False)])
def test_pages_are_those_of_the_document(
    documents: Path, tmp_path: Path, suffix: str, stated: bool
) -> None:
    added = adding.add(documents / f"note.{suffix}", tmp_path, report="skoleveje")
    _, report, _ = read(added.folder)
    found = {s.title: s.page for s in report.sections if s.title in policy_note.PAGES}
    assert found == policy_note.PAGES
    assert {s.page_stated for s in report.sections} == {stated}


def test_contents_heads_and_feet_of_a_pdf_are_left_out_and_told(
    documents: Path, tmp_path: Path
) -> None:
    added = adding.add(documents / "note.pdf", tmp_path, report="skoleveje")
    declared, report, text = read(added.folder)
    (contents,) = [d for d in declared.declared if d.leave_out]
    assert contents.section.title == "Indhold"
    assert not any("....." in passage.text for passage in report.passages)
    assert text.count("trygge skoleveje") == 1 + text.count(policy_note.TITLE) - 1
    assert any("Lyngdal Kommune – trygge skoleveje" in doubt for doubt in added.doubts)
    assert not re.search(r"^\d$", text, re.MULTILINE)


def test_what_is_not_sure_stands_in_the_draft_too(documents: Path, tmp_path: Path) -> None:
    added = adding.add(documents / "note.txt", tmp_path, report="skoleveje")
    written = (added.folder / "outline.toml").read_text(encoding="utf-8")
    assert any("guessed" in doubt for doubt in added.doubts)
    assert written.count("# UNSURE: ") == len(added.doubts)
    assert tomllib.loads(written)["report"]["publisher"] == "?"


def test_what_is_given_is_not_guessed(documents: Path, tmp_path: Path) -> None:
    added = adding.add(
        documents / "note.docx", tmp_path, report="x", title="Anden titel", publisher="Nogen"
    )
    declared, _, _ = read(added.folder)
    assert (declared.title, declared.publisher, declared.language) == ("Anden titel", "Nogen", "da")
    assert not any("is taken to be" in doubt for doubt in added.doubts)


def test_the_command_drafts_and_says_what_it_is_not_sure_of(
    documents: Path, tmp_path: Path
) -> None:
    said = subprocess.run(
        [*command(), "add", documents / "note.pdf", "--reports", tmp_path / "mine"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stderr == ""
    first, *doubts, last = said.stdout.splitlines()
    assert first == f"Drafted {tmp_path}/mine/note: 9 sections, 9 passages. Not sure of:"
    assert all(doubt.startswith("- ") for doubt in doubts)
    assert "- The file does not name its publisher; write it in place of '?'." in doubts
    assert last == f"Correct {tmp_path}/mine/note/outline.toml, then run 'tryghed-search ingest'."


@pytest.mark.parametrize("suffix", ["pdf", "docx"])
def test_from_document_to_answer(
    documents: Path, tmp_path: Path, encoder: Encoder, suffix: str
) -> None:
    """Added beside another report, ingested as drafted, and asked."""
    reports, index = tmp_path / "reports", tmp_path / "index"
    adding.add(Path(__file__).parent / "small-reports/haven/report.txt", reports, report="haven")
    adding.add(
        documents / f"note.{suffix}", reports, report="skoleveje", publisher=policy_note.PUBLISHER
    )
    build.build_index(reports, index, encoder)
    searcher = Searcher(store.load(index, encoder.identity)[1], encoder)
    titles = {s.slug: s.title for s in searcher.reports[1].sections}
    for question, section, fact in QUESTIONS:
        body = api.answer_model(searcher.ask(Question(question)), searcher.reports)
        best = body.passages[0]
        assert best.id.startswith(f"skoleveje/{section}/"), question
        assert fact in best.text
        assert best.citation.report == policy_note.TITLE
        assert best.citation.publisher == policy_note.PUBLISHER
        assert best.citation.section[-1] == titles[section]
        assert best.citation.page == policy_note.PAGES[titles[section]]
        assert best.citation.page_stated == (suffix == "pdf")


# --- pages inside a section -----------------------------------------------------------------------


def lines(*given: tuple[str, int]) -> tuple[Line, ...]:
    return tuple(Line(text, page, size=10.0) for text, page in given)


def test_a_passage_is_cited_with_the_page_that_it_begins_on() -> None:
    long = "Dette afsnit er så langt, at det fylder en hel side for sig selv i rapporten. " * 12
    long += "Ja, det er langt. " * 3
    found = Extracted(
        lines=(
            replace(Line("Vejene", 3, size=20.0)),
            *lines((long, 3), (long, 4), ("Det fortsætter, og sætningen går", 5)),
            Line("over siden.", 6, size=10.0),
            *lines((long, 6), (long, 8)),
        ),
        pages=8,
        exact_pages=True,
    )
    made = draft(found, "r", "Titel", "P", "da", "x.pdf")
    declared = outline.parse(made.outline, made.text)
    report = chunking.report_from(declared, made.text)
    pages = {p.page: p.text for p in report.passages}
    assert list(pages) == [3, 4, 5, 6, 8]
    assert pages[5] == "Det fortsætter, og sætningen går over siden."
    for passage in report.passages:
        assert passage.text == outline.fold(made.text[passage.start : passage.end])


def test_printed_page_numbers_are_cited_where_they_are_others_than_the_files() -> None:
    rows: list[Line] = []
    for page in range(1, 7):
        rows += [
            Line(f"{page + 2} / 12", page, size=8.0, edge=True),
            Line(f"Kapitel {'ABCDEF'[page - 1]}", page, size=20.0),
            Line("Her står der noget, som er langt nok til at være brødtekst.", page, size=10.0),
        ]
    made = draft(Extracted(tuple(rows), 6, True), "r", "Titel", "P", "da", "x.pdf")
    sections = outline.parse(made.outline, made.text).declared
    assert [d.section.page for d in sections] == [3, 4, 5, 6, 7, 8]
    assert any("page 1 of the file is 3" in doubt for doubt in made.doubts)


def test_a_word_that_a_line_parts_is_whole_and_told() -> None:
    found = Extracted(
        (
            Line("Overskrift", 1, size=20.0),
            Line("Kommunen har en trygheds\x02", 1, size=10.0),
            Line("politik, som gælder i fire år.", 1, size=10.0, gap=False),
        ),
        1,
        True,
    )
    made = draft(found, "r", "Titel", "P", "da", "x.pdf")
    assert "en tryghedspolitik, som" in made.text
    assert any(doubt.startswith("1 words that a line's end") for doubt in made.doubts)


def test_a_heading_that_stands_earlier_in_the_text_is_found_where_it_is() -> None:
    """A list of contents without dots repeats every heading word for word."""
    heads = [Line(f"{name}", 1, level=1) for name in ("Indhold",)]
    heads += [Line(name, 1) for name in ("Veje", "2", "Stier", "3")]
    for page, name in ((2, "Veje"), (3, "Stier")):
        heads += [Line(name, page, level=1), Line(f"Om {name.lower()} er der meget at sige.", page)]
    made = draft(Extracted(tuple(heads), 3, True), "r", "Titel", "P", "da", "x.docx")
    report = chunking.report_from(outline.parse(made.outline, made.text), made.text)
    assert {p.section: p.text for p in report.passages if p.page != 1} == {
        "veje": "Om veje er der meget at sige.",
        "stier": "Om stier er der meget at sige.",
    }


def test_addresses_are_made_of_titles() -> None:
    assert slug_of("Ældre på Ærø: »Én gang« 2027–2030") == "aeldre-paa-aeroe-en-gang-2027-2030"
    assert slug_of("—") == ""
    assert len(slug_of("ord " * 50)) <= 60


# --- what cannot be read --------------------------------------------------------------------------


def refused(path: Path, limits: Limits | None = None) -> str:
    """The one line that says why, checked; nothing is written."""
    reports = path.parent / "reports"
    with pytest.raises(DocumentError) as caught:
        adding.add(path, reports, report="x", limits=limits or adding.LIMITS)
    said = str(caught.value)
    assert said.startswith(f"{path} cannot be added: ")
    assert "\n" not in said
    assert not reports.exists()
    return said


def test_a_scan_is_refused_and_text_recognition_named(tmp_path: Path) -> None:
    image = Image.new("RGB", (800, 1100), "white")
    ImageDraw.Draw(image).text((100, 100), "Dette er et billede af en tekst.", "black")
    image.save(tmp_path / "scan.pdf", save_all=True, append_images=[image])
    assert "(a scan), run a text recognition (OCR)" in refused(tmp_path / "scan.pdf")


def pdf_of(objects: list[bytes], trailer: bytes = b"") -> bytes:
    """A PDF by hand, for what no library writes."""
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(objects) + 1
    return out + b"trailer\n<</Size %d /Root 1 0 R %s>>\nstartxref\n%d\n%%%%EOF" % (
        size,
        trailer,
        start,
    )


CATALOG = [
    b"<</Type /Catalog /Pages 2 0 R>>",
    b"<</Type /Pages /Kids [3 0 R] /Count 1>>",
    b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R "
    b"/Resources <</Font <</F 5 0 R>>>>>>",
]
FONT = b"<</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>"


def stream(content: bytes) -> bytes:
    packed = zlib.compress(content, 9)
    return b"<</Length %d /Filter /FlateDecode>>\nstream\n%s\nendstream" % (len(packed), packed)


def test_an_encrypted_file_is_refused(tmp_path: Path, documents: Path) -> None:
    secret = b"<</Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s>>>" % (b"41" * 32, b"42" * 32)
    objects = [*CATALOG, stream(b"BT /F 12 Tf 90 700 Td (Hemmeligt) Tj ET"), FONT, secret]
    path = tmp_path / "secret.pdf"
    path.write_bytes(pdf_of(objects, b"/Encrypt 6 0 R /ID [<00><00>]"))
    assert "it is encrypted; take the password off it first" in refused(path)
    path.write_bytes(pdf_of(objects))
    assert adding.add(path, tmp_path / "reports", report="open").passages == 1
    office = tmp_path / "more" / "secret.docx"
    office.parent.mkdir()
    office.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(5000))
    assert "an old or an encrypted Office file" in refused(office)


@pytest.mark.parametrize(
    ("name", "contents", "says"),
    [
        ("a.pdf", b"Kun en tekst.", "its contents are not those of a .pdf file"),
        ("a.txt", b"%PDF-1.7\n1 0 obj", "its contents are not those of a .txt file"),
        ("a.docx", b"%PDF-1.7\n1 0 obj", "its contents are not those of a .docx file"),
        ("a.docx", b"PK\x03\x04 and no more", "it is damaged, no Word document"),
        ("a.pdf", b"%PDF-1.7\nand no more", "it is damaged or no PDF"),
        ("a.txt", "Trygge skoleveje på Ærø".encode("latin-1"), "it is not UTF-8 (byte 18)"),
        ("a.txt", b"a\0b", "it is not a text"),
        ("a.md", b"---\n\n- \n", "there is no text in it"),
        ("a.txt", b"", "there is no text in it"),
        ("a.odt", b"PK\x03\x04", "it is none of .pdf, .docx, .md, .txt"),
    ],
)
def test_what_is_no_such_document_is_refused(
    tmp_path: Path, name: str, contents: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(contents)
    assert says in refused(tmp_path / name)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "there is no such file" in refused(tmp_path / "nothing.pdf")


@pytest.mark.parametrize("suffix", ["pdf", "docx"])
def test_a_file_that_is_cut_or_scrambled_is_refused_or_read_but_never_harms(
    documents: Path, tmp_path: Path, suffix: str
) -> None:
    whole = (documents / f"note.{suffix}").read_bytes()
    for share in (0.1, 0.5, 0.9):
        cut = int(len(whole) * share)
        path = tmp_path / f"{cut}.{suffix}"
        for contents in (whole[:cut], whole[:cut] + bytes(40) + whole[cut + 40 :]):
            path.write_bytes(contents)
            said = outcome(path)
            assert said == "" or said.startswith(f"{path} cannot be added: ")
            assert "\n" not in said


def outcome(path: Path) -> str:
    """Why a document is refused; nothing if it is read."""
    try:
        return "" if adding.extract(path).lines else "no lines"
    except DocumentError as error:
        return str(error)


def bomb(path: Path, size: int) -> Path:
    """A Word file of paragraphs that packs to next to nothing."""
    policy_note.make_docx(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    body = b"<w:p><w:r><w:t>Bang</w:t></w:r></w:p>"
    head, _, tail = parts["word/document.xml"].partition(b"<w:body>")
    parts["word/document.xml"] = head + b"<w:body>" + body * (size // len(body)) + tail
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    path.write_bytes(buffer.getvalue())
    return path


def test_what_unpacks_to_too_much_is_refused_before_it_does(tmp_path: Path) -> None:
    path = bomb(tmp_path / "bomb.docx", 30_000_000)
    assert path.stat().st_size < 300_000
    assert "it unpacks to more than 10 MB" in refused(path, Limits(unpacked_bytes=10_000_000))


def test_what_takes_too_much_memory_or_time_is_refused(tmp_path: Path) -> None:
    path = bomb(tmp_path / "bomb.docx", 60_000_000)
    said = refused(path, Limits(memory_bytes=400_000_000))
    assert "more memory than" in said
    assert "takes more than 1 seconds" in refused(path, Limits(cpu_seconds=1))


def test_a_pdf_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    text = b"BT /F 12 Tf 90 700 Td " + b"(Bang) Tj " * 8_000_000 + b"ET"
    (tmp_path / "bomb.pdf").write_bytes(pdf_of([*CATALOG, stream(text), FONT]))
    said = refused(tmp_path / "bomb.pdf", Limits(memory_bytes=500_000_000, cpu_seconds=20))
    assert re.search(r"more memory than 500 MB|more than 20 seconds|longer than", said)


def test_too_many_pages_and_too_large_files_are_refused(documents: Path, tmp_path: Path) -> None:
    path = tmp_path / "note.pdf"
    path.write_bytes((documents / "note.pdf").read_bytes())
    assert "it has 4 pages, more than 3" in refused(path, Limits(pages=3))
    assert "it is larger than 0 MB" in refused(path, Limits(file_bytes=1000))
    assert "its text is longer than 100 characters" in refused(path, Limits(characters=100))


@pytest.mark.parametrize("name", ["Æble", "a/b", "", "a b", "../x", "-a"])
def test_an_id_that_cannot_be_an_address_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.txt").write_text("Titel\n\nTekst.", encoding="utf-8")
    with pytest.raises(DocumentError, match="may hold a-z, 0-9 and '-' only"):
        adding.add(tmp_path / "a.txt", tmp_path / "reports", report=name)


def test_a_report_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Titel\n\nTekst, som er skrevet før.", encoding="utf-8")
    added = adding.add(path, tmp_path / "reports")
    before = (added.folder / "report.txt").read_bytes()
    with pytest.raises(DocumentError, match="There is a report 'a' in"):
        adding.add(path, tmp_path / "reports")
    assert (added.folder / "report.txt").read_bytes() == before
    assert [p.name for p in (tmp_path / "reports").iterdir()] == ["a"]


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Titel\n\nTekst.", encoding="utf-8")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DocumentError, match=r"cannot be written to .*Mend the rights"):
        adding.add(tmp_path / "a.txt", tmp_path / "file")


def test_a_refusal_of_the_command_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"no PDF")
    said = subprocess.run(
        [*command(), "add", tmp_path / "a.pdf", "--reports", tmp_path / "reports"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout) == (1, "")
    assert said.stderr.startswith(f"tryghed-search: {tmp_path}/a.pdf cannot be added: ")
    assert said.stderr.count("\n") == 1
