"""The widget: its one file, its page for an iframe, and the page where an editor tries it out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response
from markupsafe import Markup

from tryghed_search import api, pages
from tryghed_search.errors import NotReadyError
from tryghed_search.headers import POLICY
from tryghed_search.passages import Filters, Report
from tryghed_search.search import MAX_HISTORY, MAX_LIMIT, MAX_QUESTION
from tryghed_search.serving import serving_of
from tryghed_search.views import Choice, ChoiceGroup, Page, Site

KEPT: Final = 600
"""Seconds that a browser keeps ``/widget.js`` before it asks anew."""
SHARED: Final = ("address", "fill", "reply")
"""Modules of the pages that the widget uses too, in the order in which they know one another."""
WORDS: Final = ("ask", "kinds", "audiences", "answer", "filters", "script", "widget")
"""The sections of the strings that the widget shows."""
NOT_SHOWN: Final = {"questions", "lead", "examples", "browse", "not_copied", "copied_thread"}
"""What it does not show of them and is longer than a word."""
MOST_TITLE: Final = 200
"""Characters of a heading."""
USUAL_LIMIT: Final[int] = api.AskRequest.model_fields["limit"].default
THEMES: Final = ("auto", "light", "dark")

Values = Annotated[list[str], Query(default_factory=list)]

_WEB = Path(str(files("tryghed_search.web")))

router = APIRouter(include_in_schema=False)


# --- one file -------------------------------------------------------------------------------------


@cache
def styles() -> str:
    """The widget's style sheet without its comments."""
    text = (_WEB / "widget" / "widget.css").read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/\s*", "", text, flags=re.DOTALL)


@cache
def script() -> str:
    """The widget as one module, which imports nothing: words, style sheet and all."""
    words = {lang: _words(lang) for lang in pages.LANGUAGES}
    most = {"question": MAX_QUESTION, "history": MAX_HISTORY, "limit": MAX_LIMIT}
    made = {"WORDS": words, "CSS": styles(), "MOST": most}
    head = "".join(
        f"const {name} = {json.dumps(value, ensure_ascii=False)};\n" for name, value in made.items()
    )
    paths = [*(_WEB / "static" / f"{name}.js" for name in SHARED), _WEB / "widget" / "widget.js"]
    return head + "".join(_bare(path.read_text(encoding="utf-8")) for path in paths)


def _words(lang: str) -> dict[str, Any]:
    said = pages.words(lang)
    shown = {n: {k: v for k, v in said[n].items() if k not in NOT_SHOWN} for n in WORDS}
    return {"lang": lang, "source": said["site"]["source"], **shown}


def _bare(module: str) -> str:
    """A module's text to stand with others in one: no import, no export, no leading comment."""
    left_out = r"^(?:import [^;]*;\n|export | */\*.*?\*/\n)"
    return re.sub(left_out, "", module, flags=re.MULTILINE | re.DOTALL)


@cache
def _tag() -> str:
    """Weak, because the file is the same whether it is sent compressed or not (RFC 9110, 8.8.1)."""
    return f'W/"{hashlib.sha256(script().encode()).hexdigest()[:16]}"'


@router.api_route("/widget.js", methods=["GET", "HEAD"])
async def one_file(request: Request) -> Response:
    """The widget; any origin may load it, so that it can tell a page that it may not ask."""
    headers = {
        "ETag": _tag(),
        "Cache-Control": f"public, max-age={KEPT}",
        "Access-Control-Allow-Origin": "*",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    known = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    if _tag() in known:
        return Response(status_code=304, headers=headers)
    return Response(script(), headers=headers, media_type="text/javascript")


# --- the page for an iframe -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Options:
    """What an editor chose: the widget's attributes, as they stand in an address."""

    lang: str
    heading: str
    theme: str
    limit: str
    filters: Filters

    @property
    def attributes(self) -> tuple[tuple[str, str], ...]:
        """Those that say something else than no attribute would."""
        values = {
            "lang": self.lang,
            "heading": self.heading,
            "theme": self.theme,
            "limit": self.limit,
            "kind": ",".join(self.filters.kinds),
            "municipality": ",".join(self.filters.municipalities),
            "audience": ",".join(self.filters.audiences),
            "report": ",".join(self.filters.reports),
        }
        return tuple((name, value) for name, value in values.items() if value)

    @property
    def carried(self) -> tuple[tuple[str, str], ...]:
        """The filters and the language as the conversation's page has them in its address."""
        return (
            *(("kind", value) for value in self.filters.kinds),
            *(("municipality", value) for value in self.filters.municipalities),
            *(("audience", value) for value in self.filters.audiences),
            *(("report", value) for value in self.filters.reports),
            *([("lang", self.lang)] if self.lang != "da" else []),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePage(Page):
    """The widget alone, or why it may not stand there."""

    template: ClassVar[str] = "widget.html"
    script: str
    server: str
    attributes: tuple[tuple[str, str], ...]
    carried: tuple[tuple[str, str], ...]
    """What the form that works without scripts sends along."""
    most: int
    origins: str
    """To whom the page may tell its height, separated by spaces."""
    refused: str | None
    """Why it may not stand there, in words."""


@router.api_route("/widget", methods=["GET", "HEAD"])
async def framed(
    *,
    request: Request,
    kind: Values,
    municipality: Values,
    audience: Values,
    report: Values,
    heading: str = "",
    theme: str = "",
    limit: str = "",
) -> HTMLResponse:
    """The widget as a page of its own, which the allowed origins may put in an iframe.

    On another page, as far as the browser tells which, it says that and leads to the whole page;
    there is nothing else on it, so any page may frame that.
    """
    site = pages.site_of(request)
    allowed: tuple[str, ...] = request.app.state.settings.allowed_origins
    filters = Filters(_split(kind), _split(municipality), _split(audience), reports=_split(report))
    options = Options(site.lang, heading, theme, limit, filters)
    said = site.words["widget"]
    refused = _refused(request, allowed)
    page = FramePage(
        **pages.common(request, site, heading.strip() or said["heading"], ()),
        script=f"{site.root}/widget.js",
        server=f"{site.root}/",
        attributes=options.attributes,
        carried=options.carried,
        most=MAX_QUESTION,
        origins=" ".join(("'self'", *allowed)),
        refused=said["refused"].format(origin=refused) if refused else None,
    )
    ancestors = ("*",) if refused else ("'self'", *allowed)
    policy = "; ".join((*POLICY, f"frame-ancestors {' '.join(ancestors)}"))
    return pages.render(page, headers={"Content-Security-Policy": policy, "Vary": "Referer"})


def _split(values: Iterable[str]) -> tuple[str, ...]:
    """Values given one by one or with commas between, as in the widget's attributes."""
    found = (one.strip() for value in values for one in value.split(","))
    return tuple(one for one in found if one)


def _refused(request: Request, allowed: tuple[str, ...]) -> str | None:
    """The origin of the page that frames this one, if the browser names it and it may not."""
    headers = request.headers
    if headers.get("sec-fetch-dest") != "iframe" or headers.get("sec-fetch-site") == "same-origin":
        return None
    found = urlsplit(headers.get("referer", ""))
    origin = f"{found.scheme}://{found.netloc}"
    return origin if found.netloc and allowed != ("*",) and origin not in allowed else None


# --- the page for editors -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPage(Page):
    """Options, what they look like, and the HTML to copy."""

    template: ClassVar[str] = "demo.html"
    script: str
    server: str
    attributes: tuple[tuple[str, str], ...]
    options: Options
    languages: ChoiceGroup
    themes: ChoiceGroup
    groups: tuple[ChoiceGroup, ...]
    title_hint: str
    usual_places: int
    most_places: int
    most_title: int
    hidden: tuple[tuple[str, str], ...]
    element: str
    """The HTML to copy."""
    frame: str
    """The same as an iframe."""
    allowed: tuple[str, ...]
    """Origins that may show the widget."""
    allowed_words: str


@router.api_route("/widget/demo", methods=["GET", "HEAD"])
async def demo(
    *,
    request: Request,
    kind: Values,
    municipality: Values,
    audience: Values,
    report: Values,
    in_language: str = "",
    heading: str = "",
    theme: str = "",
    limit: str = "",
) -> HTMLResponse:
    """Where an editor chooses the widget's options and copies its HTML; works without scripts."""
    site = pages.site_of(request)
    try:
        reports = serving_of(request).reports
    except NotReadyError:
        return pages.waiting(request, site)
    options = Options(
        lang=in_language if in_language in pages.LANGUAGES else site.lang,
        heading=heading.strip()[:MOST_TITLE],
        theme=theme if theme in THEMES[1:] else "",
        limit=_limit(limit),
        filters=_known(
            site,
            reports,
            Filters(tuple(kind), tuple(municipality), tuple(audience), reports=tuple(report)),
        ),
    )
    return pages.render(_demo_page(request, site, reports, options))


def _limit(text: str) -> str:
    """The number if it can be used and is not the usual one anyway."""
    usable = re.fullmatch("[0-9]{1,2}", text) and 1 <= int(text) <= MAX_LIMIT
    return str(int(text)) if usable and int(text) != USUAL_LIMIT else ""


def _known(site: Site, reports: tuple[Report, ...], asked: Filters) -> Filters:
    """Those of the values that can be chosen."""
    known = {
        group.name: tuple(choice.value for choice in group.choices if choice.checked)
        for group in site.groups(reports, asked)
    }
    return Filters(
        known["kind"], known["municipality"], known["audience"], reports=known.get("report", ())
    )


def _demo_page(
    request: Request, site: Site, reports: tuple[Report, ...], options: Options
) -> DemoPage:
    said = site.words["demo"]
    there = pages.words(options.lang)
    allowed: tuple[str, ...] = request.app.state.settings.allowed_origins
    anyone = allowed == ("*",)
    server = str(request.base_url).rstrip("/")
    theme = options.theme or THEMES[0]
    return DemoPage(
        **pages.common(request, site, said["heading"], reports),
        script=f"{site.root}/widget.js",
        server=f"{site.root}/",
        attributes=options.attributes,
        options=options,
        languages=ChoiceGroup(
            "in_language",
            said["language"],
            tuple(Choice(k, name, k == options.lang) for k, name in pages.LANGUAGES.items()),
        ),
        themes=ChoiceGroup(
            "theme", said["theme"], tuple(Choice(k, said[k], k == theme) for k in THEMES)
        ),
        groups=site.groups(reports, options.filters),
        title_hint=said["title_hint"].format(heading=there["widget"]["heading"]),
        usual_places=USUAL_LIMIT,
        most_places=MAX_LIMIT,
        most_title=MOST_TITLE,
        hidden=() if site.lang == "da" else (("lang", site.lang),),
        element=_element(server, options, there["demo"]["link"]),
        frame=_frame(server, options, options.heading or there["widget"]["heading"]),
        allowed=() if anyone else allowed,
        allowed_words=said["allowed_any" if anyone else "allowed" if allowed else "allowed_none"],
    )


def _element(server: str, options: Options, link: str) -> str:
    """The widget's HTML, with a link for when it cannot be loaded."""
    pairs = (("server", server), *options.attributes)
    attributes = Markup(" ").join(Markup('{}="{}"').format(*pair) for pair in pairs)
    query = f"?{urlencode(options.carried)}" if options.carried else ""
    return str(
        Markup(
            '<script type="module" src="{server}/widget.js"></script>\n'
            "<tryghed-search {attributes}>\n"
            '  <a href="{server}/{query}">{link}</a>\n'
            "</tryghed-search>"
        ).format(server=server, attributes=attributes, query=query, link=link)
    )


def _frame(server: str, options: Options, title: str) -> str:
    """The widget's page in an iframe, as HTML."""
    return str(
        Markup(
            '<iframe src="{}/widget?{}" title="{}"\n'
            '  width="100%" height="600" frameborder="0" loading="lazy"></iframe>'
        ).format(server, urlencode(options.attributes), title)
    )
