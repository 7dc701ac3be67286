"""The drawing of Denmark: every municipality is in it, on land, and names do not cover names."""

from __future__ import annotations

import re
from itertools import combinations, pairwise

import pytest

from tryghed_search import denmark
from tryghed_search.places import MUNICIPALITIES

Corners = tuple[denmark.Place, ...]


def stands_in(place: denmark.Place, corners: Corners) -> bool:
    """Whether a ray from the place to the east crosses the coast an odd number of times."""
    x, y = place
    crossed = [
        (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1
        for (x1, y1), (x2, y2) in pairwise((*corners, corners[0]))
    ]
    return sum(crossed) % 2 == 1


def crosses(a: tuple[denmark.Place, ...], b: tuple[denmark.Place, ...]) -> bool:
    """Whether two stretches of coast cut one another."""

    def side(p: denmark.Place, q: denmark.Place, r: denmark.Place) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(*a, b[0]) * side(*a, b[1]) < 0 and side(*b, a[0]) * side(*b, a[1]) < 0


def test_every_municipality_has_a_town() -> None:
    assert set(denmark.towns()) == set(MUNICIPALITIES)


@pytest.mark.parametrize("name", MUNICIPALITIES)
def test_every_town_is_on_land(name: str) -> None:
    coasts = denmark.coasts().values()
    assert any(stands_in(denmark.towns()[name], corners) for corners in coasts)


@pytest.mark.parametrize(
    ("municipality", "land"),
    [
        ("Bornholm", "Bornholm"),
        ("Fanø", "Fanø"),
        ("Langeland", "Langeland"),
        ("Lolland", "Lolland"),
        ("Læsø", "Læsø"),
        ("Morsø", "Mors"),
        ("Odense", "Fyn"),
        ("Roskilde", "Sjælland"),
        ("Samsø", "Samsø"),
        ("Thisted", "Vendsyssel og Thy"),
        ("Viborg", "Jylland"),
        ("Ærø", "Ærø"),
    ],
)
def test_a_town_is_on_its_own_island(municipality: str, land: str) -> None:
    assert stands_in(denmark.towns()[municipality], denmark.coasts()[land])


@pytest.mark.parametrize("land", denmark.coasts())
def test_a_coast_does_not_cross_itself(land: str) -> None:
    corners = denmark.coasts()[land]
    sides = list(pairwise((*corners, corners[0])))
    assert not [pair for pair in combinations(sides, 2) if crosses(*pair)]


def test_the_towns_lie_to_one_another_as_in_the_country() -> None:
    towns = denmark.towns()
    assert towns["Hjørring"][1] < towns["Aalborg"][1] < towns["Aarhus"][1] < towns["Vejle"][1]
    assert towns["Esbjerg"][0] < towns["Odense"][0] < towns["Roskilde"][0] < towns["København"][0]


def test_the_drawing_fits_its_box_and_bornholm_its_frame() -> None:
    left, top, width, height = denmark.FRAME
    for name, corners in denmark.coasts().items():
        for x, y in corners:
            assert 0 < x < denmark.WIDTH
            assert 0 < y < denmark.HEIGHT
            framed = left < x < left + width and top < y < top + height
            assert framed == (name == "Bornholm")


def test_the_outline_draws_every_coast() -> None:
    assert re.fullmatch(r"(?:M[\d., -]+z)+", denmark.outline())
    assert denmark.outline().count("z") == len(denmark.coasts())


def test_a_municipality_is_found_without_its_genitive() -> None:
    assert denmark.town("Nordfyn") == denmark.town("Nordfyns") is not None
    assert denmark.town("Camden") is None


def test_names_move_down_from_those_that_they_would_cover() -> None:
    assert denmark.apart([(0, 10), (5, 12), (200, 13), (8, 40)], 50, 15) == [10, 25, 13, 40]
    assert denmark.apart([], 50, 15) == []
