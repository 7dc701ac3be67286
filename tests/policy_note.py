"""A Danish policy note as a municipality writes one, made as PDF, DOCX, Markdown and plain text.

Another shape than the report that comes along: numbered sections, no cases, a list of contents,
page numbers at the foot. It is written for the tests; the municipality and its figures are made up.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

TITLE = "Politik for trygge skoleveje 2027–2030"
PUBLISHER = "Lyngdal Kommune"

SECTIONS: tuple[tuple[int, str, tuple[str, ...]], ...] = (
    (
        1,
        "1 Indledning",
        (
            "Byrådet i Lyngdal Kommune vedtog politikken den 14. april 2026. Den gælder for alle "
            "kommunens ni folkeskoler og afløser cykelhandlingsplanen fra 2019.",
            "Politikken er blevet til sammen med skolebestyrelserne, færdselspolitiet og 212 "
            "forældre, som svarede på et spørgeskema i efteråret 2025.",
        ),
    ),
    (
        1,
        "2 Hvor går det galt i dag?",
        (
            "To ud af tre forældre svarer, at de kører deres barn til skole, fordi de er utrygge "
            "ved trafikken. Det skaber selv den trafik, som de er utrygge ved.",
        ),
    ),
    (
        2,
        "2.1 Krydset ved Kirkevej",
        (
            "Flest uheld sker i krydset ved Kirkevej, hvor 11 børn kom til skade på fem år. De "
            "fleste blev ramt af biler, der svingede til højre.",
            "Krydset har intet signal for cyklister, og om vinteren er det mørkt, når børnene "
            "møder.",
        ),
    ),
    (
        2,
        "2.2 Afsætning foran skolerne",
        (
            "Om morgenen holder der i snit 64 biler foran Nørreskolen på samme tid. Skolens "
            "pedel har målt det i tre uger.",
        ),
    ),
    (
        1,
        "3 Det gør vi",
        ("Kommunen arbejder med tre indsatser. Hver af dem har en ansvarlig leder og et budget.",),
    ),
    (
        2,
        "3.1 Skolepatruljer",
        (
            "Elever fra 6. klasse står skolepatrulje hver morgen fra kl. 7.40. Færdselspolitiet "
            "uddanner dem på to formiddage i august.",
            "- Hver patrulje har fire elever og en voksen.",
            "- Kommunen betaler veste og regntøj, 850 kr. for hver elev.",
        ),
    ),
    (
        2,
        "3.2 Afsætningszoner",
        (
            "Ved hver skole udpeges en afsætningszone mindst 300 meter fra porten. Resten af "
            "vejen går børnene sammen i gåbusser, som forældrene skiftes til at følge.",
        ),
    ),
    (
        1,
        "4 Økonomi og opfølgning",
        (
            "Der er afsat 4,6 mio. kr. over fire år. Halvdelen går til ombygning af krydset ved "
            "Kirkevej, der er færdig i 2028.",
            "Teknisk udvalg gør status hvert år i marts på grundlag af politiets tal for uheld.",
        ),
    ),
)
PAGES = {
    "1 Indledning": 2,
    "2 Hvor går det galt i dag?": 2,
    "2.1 Krydset ved Kirkevej": 2,
    "2.2 Afsætning foran skolerne": 3,
    "3 Det gør vi": 3,
    "3.1 Skolepatruljer": 3,
    "3.2 Afsætningszoner": 4,
    "4 Økonomi og opfølgning": 4,
}
"""The page that each section begins on; the front page and the contents are page 1."""


def _html() -> str:
    entries = "".join(
        f'<p class="toc">{title} {"." * 40} {PAGES[title]}</p>' for _, title, _ in SECTIONS
    )
    body, page = "", 1
    for level, title, paragraphs in SECTIONS:
        breaks = ' style="break-before: page"' if PAGES[title] > page else ""
        page = PAGES[title]
        body += f"<h{level + 1}{breaks}>{title}</h{level + 1}>"
        for text in paragraphs:
            body += f"<p>{text}</p>" if text[0] != "-" else f"<ul><li>{text[2:]}</li></ul>"
    return (
        f'<html lang="da"><head><meta charset="utf-8"><title>{TITLE}</title><style>'
        "body { font: 11pt/1.4 'DejaVu Serif', serif } h1 { font-size: 24pt } "
        "h2 { font-size: 17pt } h3 { font-size: 13pt }"
        f"</style></head><body><h1>{TITLE}</h1><p>{PUBLISHER}</p><h2>Indhold</h2>{entries}{body}"
    )


def make_pdf(browser: Browser, path: Path) -> Path:
    """As a browser prints it, tagged, with bookmarks, a running header and page numbers."""
    page = browser.new_page()
    page.set_content(_html())
    small = '<div style="font-size: 8pt; width: 100%; text-align: center">'
    page.pdf(
        path=path,
        format="A4",
        tagged=True,
        outline=True,
        display_header_footer=True,
        header_template=f"{small}{PUBLISHER} – trygge skoleveje</div>",
        footer_template=f'{small}<span class="pageNumber"></span></div>',
        margin={"top": "25mm", "bottom": "25mm", "left": "25mm", "right": "25mm"},
    )
    page.close()
    return path


def make_docx(path: Path) -> Path:
    """With Word's styles for headings and lists, and page breaks."""
    import docx

    document = docx.Document()
    document.core_properties.title = TITLE
    document.core_properties.author = PUBLISHER
    document.core_properties.language = "da-DK"
    document.add_paragraph(TITLE, style="Title")
    page = 1
    for level, title, paragraphs in SECTIONS:
        if PAGES[title] > page:
            document.add_page_break()
        page = PAGES[title]
        document.add_heading(title, level)
        for text in paragraphs:
            bullet = text.startswith("- ")
            document.add_paragraph(text.removeprefix("- "), style="List Bullet" if bullet else None)
    document.save(str(path))
    return path


def make_markdown(path: Path) -> Path:
    lines = [f"# {TITLE}", ""]
    for level, title, paragraphs in SECTIONS:
        lines += ["#" * (level + 1) + f" {title}", ""]
        for text in paragraphs:
            lines += [text.replace("Kirkevej", "*Kirkevej*"), ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def make_text(path: Path) -> Path:
    lines = [TITLE, ""]
    for _, title, paragraphs in SECTIONS:
        lines += [title, ""]
        for text in paragraphs:
            lines += [text, ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
