"""What docs/embedding.md promises, with its own lines: snippets, policies, tables, Danish texts."""

from __future__ import annotations

import re
import tomllib

import pytest
from playwright.sync_api import Page, expect

from tests.browsing import BURGLARIES
from tests.conftest import ROOT
from tests.hosting import ELEMENT, Host, ask
from tryghed_search import widget

TEXT = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
HOST = "https://HOST"
HEAD = '<!doctype html><html lang="da"><meta charset="utf-8"><title>x</title>'
SOURCE = (ROOT / "web" / "widget" / "widget.js").read_text(encoding="utf-8")


def snippets(kind: str, server: str) -> list[str]:
    """The document's blocks of one kind, with the server's address in them."""
    found = re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert found
    return [text.replace(HOST, server) for text in found]


def snippet(kind: str, server: str, holding: str) -> str:
    """The one block of a kind that holds those words."""
    (found,) = [text for text in snippets(kind, server) if holding in text]
    return found


def section(heading: str) -> str:
    return TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def names(table: str) -> list[str]:
    """What stands in backticks in a table's first column."""
    return re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)


# --- snippets and policies ------------------------------------------------------------------------


def test_the_two_lines_are_the_contracts_and_work_as_they_stand(
    guest: Page, host: Host, widget_url: str
) -> None:
    lines = snippet("html", widget_url, "<script")
    assert len(lines.splitlines()) == 2
    assert lines.replace(widget_url, HOST) in (ROOT / "README.md").read_text(encoding="utf-8")
    guest.goto(host.put("/lines", f"{HEAD}<link rel=icon href='data:,'>{lines}"))
    expect(ask(guest.locator(ELEMENT), BURGLARIES).locator(".best")).to_contain_text("83%")


@pytest.mark.parametrize("more", ["", "; require-trusted-types-for 'script'; trusted-types 'none'"])
def test_the_two_lines_need_that_policy_and_no_more(
    guest: Page, host: Host, widget_url: str, more: str, complaints: list[str]
) -> None:
    policy = snippet("csp", widget_url, "script-src").strip()
    lines = snippet("html", widget_url, "<script")
    strict = f"default-src 'none'; form-action 'none'; base-uri 'none'; {policy}{more}"
    guest.goto(host.put("/strict", f"{HEAD}{lines}", strict))
    exchange = ask(guest.locator(ELEMENT), BURGLARIES)
    expect(exchange.locator(".best")).to_contain_text("83%")
    expect(guest.locator(ELEMENT).locator(".panel")).to_have_css("border-top-width", "1px")
    exchange.locator(".suggestion").first.click()
    expect(guest.locator(ELEMENT).locator(".answer")).to_have_count(2)
    broken = [c for c in complaints if "favicon" not in c]  # the browser asks for it by itself
    assert broken == []
    complaints.clear()


@pytest.mark.parametrize("left_out", ["script-src", "connect-src"])
def test_each_part_of_the_policy_is_needed(
    guest: Page, host: Host, widget_url: str, left_out: str, complaints: list[str]
) -> None:
    policy = snippet("csp", widget_url, "script-src").strip()
    kept = "; ".join(part for part in policy.split("; ") if left_out not in part)
    lines = snippet("html", widget_url, "<script").replace("></t", '><a href="/x">Link</a></t')
    guest.goto(host.put("/strict", f"{HEAD}{lines}", f"default-src 'none'; {kept}"))
    if left_out == "script-src":  # what stands between the tags is what there is
        expect(guest.get_by_role("link", name="Link")).to_be_visible()
    else:
        exchange = ask(guest.locator(ELEMENT), BURGLARIES)
        expect(exchange.locator(".trouble").get_by_role("link")).to_be_visible()
    assert any(left_out in complaint for complaint in complaints)
    complaints.clear()


def test_the_link_between_the_tags_keeps_its_place_until_the_search_is_there(
    guest: Page, host: Host, widget_url: str
) -> None:
    element = snippet("html", widget_url, "<a href")
    rule = snippet("css", widget_url, ":not(:defined)")
    guest.goto(
        host.put("/link", f"{HEAD}<link rel=icon href='data:,'><style>{rule}</style>{element}")
    )
    link = guest.get_by_role("link", name="Spørg rapporten om lokal tryghed")
    expect(link).to_be_visible()
    box = guest.locator(ELEMENT).bounding_box()
    assert box is not None
    assert box["height"] == 240
    guest.evaluate("(url) => import(url)", f"{widget_url}/widget.js")
    expect(link).to_be_hidden()
    after = guest.locator(ELEMENT).bounding_box()
    assert after is not None
    assert after["height"] <= 240


def test_the_frame_needs_that_policy_and_follows_its_height_with_that_script(
    guest: Page, host: Host, widget_url: str, complaints: list[str]
) -> None:
    policy = snippet("csp", widget_url, "frame-src").strip()
    script = host.put(
        "/follow.js", snippet("js", widget_url, "addEventListener"), kind="text/javascript"
    )
    frame = snippet("html", widget_url, "<iframe")
    body = f"{HEAD}<script type=module src={script}></script>{frame}"
    guest.goto(host.put("/frame", body, f"default-src 'none'; script-src 'self'; {policy}"))
    inner = guest.frame_locator("iframe")
    ask(inner.locator(ELEMENT), BURGLARIES)
    height = inner.locator("body").evaluate(
        "(body) => Math.ceil(body.getBoundingClientRect().height)"
    )
    expect(guest.locator("iframe")).to_have_attribute("height", str(height))
    assert height > 600
    scrolls = "document.documentElement.scrollHeight > innerHeight"
    assert not inner.locator("body").evaluate(scrolls)
    assert [c for c in complaints if "favicon" not in c] == []
    complaints.clear()


def test_the_scripts_height_is_taken_from_nobody_else(
    guest: Page, host: Host, widget_url: str
) -> None:
    script = host.put(
        "/follow.js", snippet("js", widget_url, "addEventListener"), kind="text/javascript"
    )
    host.put(
        "/liar", "<script>parent.postMessage({ type: 'tryghed-height', height: 7 }, '*')</script>"
    )
    body = f"<link rel=icon href='data:,'><script type=module src={script}></script>"
    frame = f'<iframe src="{host.elsewhere}/liar" height="50"></iframe>'
    guest.goto(host.put("/frame", HEAD + body + frame))
    guest.wait_for_load_state("networkidle")
    expect(guest.locator("iframe")).to_have_attribute("height", "50")


def test_the_sandbox_that_is_named_is_enough(guest: Page, host: Host, widget_url: str) -> None:
    named = re.search(r"A `sandbox` needs `([^`]+)`", TEXT)
    assert named
    frame = snippet("html", widget_url, "<iframe").replace(
        "<iframe", f'<iframe sandbox="{named[1]}"'
    )
    guest.goto(host.put("/frame", f"{HEAD}<link rel=icon href='data:,'>{frame}"))
    exchange = ask(guest.frame_locator("iframe").locator(ELEMENT), BURGLARIES)
    with guest.expect_popup() as opened:
        exchange.locator(".citation").first.click()
    expect(opened.value.locator(":target mark")).to_contain_text("83%")


def test_the_web_parts_lines_make_a_search(guest: Page, host: Host, widget_url: str) -> None:
    lines = snippet("js", widget_url, "domElement")
    guest.goto(host.put("/part", f"{HEAD}<link rel=icon href='data:,'><div id=part></div>"))
    guest.evaluate(
        "(lines) => (async function () {}).constructor(lines)"
        ".call({ domElement: document.getElementById('part') })",
        lines,
    )
    expect(ask(guest.locator(ELEMENT), BURGLARIES).locator(".best")).to_contain_text("83%")


# --- tables ---------------------------------------------------------------------------------------


def test_every_attribute_is_in_the_table() -> None:
    asked = set(re.findall(r'getAttribute\("(\w+)"\)', SOURCE)) | {"lang"}
    filters = {"kind", "municipality", "audience", "report"}
    assert set(names(section("The two lines").partition("| event")[0])) == asked | filters


def test_every_event_is_in_the_table() -> None:
    events = set(re.findall(r'"(tryghed-\w+)"', SOURCE)) - {"tryghed-search"}
    assert set(names(section("The two lines").partition("| event")[2])) == events


def test_every_custom_property_is_in_the_table_with_its_default() -> None:
    used = re.findall(
        r"var\((--tryghed-[\w-]+), ((?:light-dark\([^)]*\))|[^;]*?)\)[ ;/]", widget.styles()
    )
    table = dict(re.findall(r"^\| `(--tryghed-[\w-]+)` \| [^|]+ \| ([^|]+) \|", TEXT, re.MULTILINE))
    assert {name for name, _ in used} == set(re.findall(r"--tryghed-[\w-]+", widget.styles()))
    assert set(table) == {name for name, _ in used}
    for name, default in used:
        if "font" not in name:
            for value in default.removeprefix("light-dark(").removesuffix(")").split(", "):
                assert f"`{value}`" in table[name], name


def test_every_part_is_named(guest: Page, host: Host, widget_url: str) -> None:
    listed = re.search(r"^Parts, for .*?\n\n", TEXT, re.MULTILINE | re.DOTALL)
    assert listed
    named = set(re.findall(r"`([\w-]+)`", listed[0].partition(":\n")[2] or listed[0]))
    made = set(re.findall(r'element\(\s*(?:"[\w]+"|`[^`]+`),\s*"([\w-]+)"', SOURCE))
    made |= set(re.findall(r'#link\("(\w+)"', SOURCE))
    assert named == made - {"hidden"}


def test_the_theme_of_the_design_system_holds_its_contrast(
    guest: Page, host: Host, widget_url: str
) -> None:
    from tests.test_access import found

    rule = snippet("css", widget_url, "--tryghed-accent")
    lines = snippet("html", widget_url, "<script").replace('lang="da"', 'lang="da" theme="light"')
    head = f"{HEAD}<link rel=icon href='data:,'><style>{rule}</style><main><h1>x</h1>"
    guest.goto(host.put("/theme", head + lines))
    ask(guest.locator(ELEMENT), BURGLARIES)
    expect(guest.locator(ELEMENT).locator(".row .button")).to_have_css(
        "background-color", "rgb(0, 89, 179)"
    )
    assert found(guest) == []


def test_a_part_can_be_styled_from_outside(guest: Page, host: Host, widget_url: str) -> None:
    lines = snippet("html", widget_url, "<script")
    rule = "<style>tryghed-search::part(button) { text-transform: uppercase }</style>"
    guest.goto(host.put("/part", f"{HEAD}<link rel=icon href='data:,'>{rule}{lines}"))
    expect(guest.locator(ELEMENT).locator(".button")).to_have_css("text-transform", "uppercase")


# --- the texts to hand on -------------------------------------------------------------------------


def test_the_texts_for_others_are_in_danish() -> None:
    for heading in ("Til tilgængelighedserklæringen", "Til databeskyttelsesrådgiveren"):
        text = section(heading)
        assert len(text) > 500
        assert not re.search(r"\b(?:the|and|with|is|not)\b", text)


def test_what_the_texts_name_there_is() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        assert any(
            "axe" in name for name in tomllib.load(file)["project"]["optional-dependencies"]["test"]
        )
    for setting in re.findall(r"TRYGHED_\w+", TEXT):
        assert f"`{setting}`" in (ROOT / "README.md").read_text(encoding="utf-8")
