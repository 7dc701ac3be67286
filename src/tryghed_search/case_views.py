"""What the topics' pages say of cases alike: addresses, names, and the map of where they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tryghed_search import denmark
from tryghed_search.passages import Filters, Report, Section
from tryghed_search.quoting import short_title
from tryghed_search.topics import Case
from tryghed_search.views import Site

FACETS = {
    "audiences": "audience",
    "kinds": "kind",
    "municipalities": "municipality",
    "themes": "theme",
    "reports": "report",
}
"""What can be chosen by, and what each is called in addresses, as in the API."""

_NAME, _LINE = 95.0, 18.0
"""Units of the map that a name on it takes across and down."""


@dataclass(frozen=True, slots=True)
class Point:
    """A municipality on the map, with its cases."""

    x: float
    y: float
    label: str
    label_x: float
    label_y: float
    name: str
    href: str
    found: bool
    """Whether a case there is among those that were found."""


@dataclass(frozen=True, slots=True)
class Map:
    """The country, and where in it the cases are."""

    width: int
    height: int
    land: str
    frame: tuple[int, int, int, int]
    points: tuple[Point, ...]


# --- addresses ------------------------------------------------------------------------------------


def overview(site: Site, topic: str, filters: Filters) -> str:
    """The address of the overview with these choices."""
    return site.address("/emner", [*([("q", topic)] if topic else []), *chosen(filters)])


def chosen(filters: Filters) -> list[tuple[str, str]]:
    """The choices as they stand in addresses."""
    return [(key, value) for facet, key in FACETS.items() for value in getattr(filters, facet)]


def comparison(site: Site, names: Iterable[str]) -> str:
    """The address of cases side by side."""
    return site.address("/emner/sammenlign", [("case", name) for name in names])


def opened(site: Site, report: Report, section: Section) -> str:
    """The address of a section in the report."""
    return site.address(f"/rapport/{report.id}", (), section.anchor)


# --- words ----------------------------------------------------------------------------------------


def short(case: Case) -> str:
    """A case's title up to its colon: "Esbjerg – Digital svindel"."""
    return short_title(case.section.title, "case", top=False)


def listed(site: Site, items: Sequence[str]) -> str:
    """The items as a list in running text: "a, b og c"."""
    *rest, last = items
    return f" {site.words['topics']['and']} ".join([", ".join(rest), last]) if rest else last


def role(site: Site, audience: str) -> str:
    """What a role is called in running text."""
    said: str = site.words["audiences"].get(audience, audience)
    return said.lower()


def relevant(site: Site, section: Section) -> str | None:
    """For whom a section is relevant, in words; None if the outline does not say."""
    names = [role(site, audience) for audience in section.audiences]
    said: str = site.words["topics"]["relevant"]
    return said.format(names=listed(site, names)) if names else None


# --- the map --------------------------------------------------------------------------------------


def country(site: Site, every: Sequence[Case], found: set[str]) -> Map | None:
    """Where the cases are, those with an id in ``found`` filled; None if none can be placed."""
    there: dict[str, list[Case]] = {}
    for case in every:
        for municipality in case.section.municipalities:
            there.setdefault(municipality, []).append(case)
    placed = [(town, name) for name in there if (town := denmark.town(name))]
    if not placed:
        return None
    placed.sort(key=lambda item: (item[0][1], item[1]))
    heights = denmark.apart([town for town, _ in placed], _NAME, _LINE)
    points = tuple(
        _point(site, town, height, name, there[name], found)
        for (town, name), height in zip(placed, heights, strict=True)
    )
    return Map(denmark.WIDTH, denmark.HEIGHT, denmark.outline(), denmark.FRAME, points)


def _point(
    site: Site,
    town: denmark.Place,
    height: float,
    municipality: str,
    here: Sequence[Case],
    found: set[str],
) -> Point:
    x, y = town
    only = here[0] if len(here) == 1 else None
    of_municipality = Filters(kinds=("case",), municipalities=(municipality,))
    return Point(
        x=x,
        y=y,
        label=municipality,
        label_x=round(x + 9, 1),
        label_y=height,
        name=short(only) if only else municipality,
        href=opened(site, only.report, only.section)
        if only
        else overview(site, "", of_municipality),
        found=any(case.section.id in found for case in here),
    )
