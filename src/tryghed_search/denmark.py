"""Denmark drawn schematically, and where its municipalities are in the drawing.

Coasts and towns were written down from general geography, rounded to a hundredth of a degree and
much simplified: good enough to recognise the country, not to measure in it. Degrees become units of
the drawing on a plane that is true at 56° north; Bornholm stands in a frame of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

Place = tuple[float, float]
"""Longitude east and latitude north in degrees, or x and y in units of the drawing."""

WIDTH, HEIGHT = 372, 338
FRAME = (300, 12, 62, 56)
"""The frame that Bornholm stands in: x, y, width, height. Names have room east of the land."""

_SCALE = 100.0
"""Units to a degree of latitude."""
_NARROWING = 0.56
"""Length of a degree of longitude in degrees of latitude: the cosine of 56°."""
_CORNER = (7.92, 57.86)
_BORNHOLM_FROM, _BORNHOLM_BY = 13.5, (-1.02, 2.31)

_COASTS = {
    "Jylland": """
        8.66 54.91, 8.64 55.06, 8.69 55.14, 8.68 55.22, 8.62 55.32, 8.54 55.42, 8.43 55.46,
        8.33 55.53, 8.25 55.55, 8.27 55.47, 8.08 55.55, 8.13 55.70, 8.17 55.84, 8.12 56.00,
        8.11 56.15, 8.12 56.32, 8.10 56.46, 8.13 56.58, 8.20 56.69, 8.28 56.62, 8.32 56.56,
        8.52 56.57, 8.60 56.50, 8.71 56.55, 8.82 56.60, 8.86 56.72, 8.97 56.79, 9.10 56.75,
        9.17 56.68, 9.06 56.58, 9.20 56.59, 9.26 56.66, 9.18 56.77, 9.20 56.88, 9.27 56.96,
        9.52 57.00, 9.70 57.03, 9.93 57.045, 10.08 56.98, 10.31 56.96, 10.29 56.82, 10.33 56.72,
        10.18 56.67, 10.35 56.60, 10.55 56.54, 10.84 56.52, 10.95 56.43, 10.89 56.33, 10.86 56.26,
        10.74 56.20, 10.71 56.12, 10.66 56.20, 10.56 56.16, 10.53 56.09, 10.48 56.20, 10.35 56.25,
        10.23 56.17, 10.28 56.03, 10.27 55.91, 10.10 55.87, 9.88 55.86, 10.04 55.81, 10.02 55.71,
        9.82 55.68, 9.56 55.71, 9.76 55.62, 9.77 55.56, 9.62 55.51, 9.50 55.49, 9.65 55.46,
        9.62 55.37, 9.70 55.26, 9.54 55.23, 9.56 55.13, 9.42 55.04, 9.60 55.03, 9.76 54.96,
        9.74 54.87, 9.60 54.89, 9.43 54.82, 9.25 54.81, 8.95 54.90""",
    "Vendsyssel og Thy": """
        8.24 56.73, 8.26 56.84, 8.38 56.95, 8.48 57.04, 8.60 57.13, 8.80 57.11, 9.03 57.16,
        9.38 57.16, 9.58 57.26, 9.70 57.37, 9.79 57.48, 9.96 57.60, 10.20 57.60, 10.40 57.68,
        10.57 57.74, 10.67 57.75, 10.57 57.68, 10.45 57.59, 10.54 57.44, 10.54 57.32, 10.55 57.22,
        10.41 57.14, 10.33 57.01, 10.10 57.03, 9.93 57.09, 9.70 57.08, 9.50 57.05, 9.28 57.02,
        9.06 57.04, 8.92 57.00, 8.72 56.97, 8.60 56.88, 8.62 56.73, 8.58 56.61, 8.47 56.66,
        8.40 56.73""",
    "Mors": """
        8.65 56.85, 8.74 56.94, 8.88 56.95, 8.93 56.85, 8.87 56.78, 8.76 56.69, 8.68 56.73""",
    "Fyn": """
        9.71 55.50, 9.80 55.55, 10.06 55.58, 10.28 55.62, 10.45 55.52, 10.62 55.62, 10.58 55.52,
        10.70 55.46, 10.75 55.36, 10.86 55.29, 10.79 55.15, 10.64 55.06, 10.44 55.05, 10.25 55.08,
        10.08 55.07, 9.98 55.16, 9.89 55.26, 9.82 55.35, 9.68 55.43""",
    "Tåsinge": "10.55 55.03, 10.70 55.02, 10.68 54.95, 10.57 54.95",
    "Langeland": """
        10.94 55.17, 10.93 55.06, 10.87 54.94, 10.80 54.77, 10.70 54.72, 10.68 54.80, 10.73 54.94,
        10.85 55.07""",
    "Ærø": "10.21 54.96, 10.40 54.91, 10.53 54.85, 10.40 54.83, 10.24 54.90",
    "Als": """
        9.79 54.93, 9.77 55.01, 9.65 55.04, 9.72 55.08, 9.84 55.05, 10.00 55.00, 9.98 54.87,
        9.84 54.88""",
    "Sjælland": """
        11.27 55.97, 11.50 55.95, 11.76 55.96, 11.68 55.87, 11.66 55.76, 11.74 55.73, 11.88 55.71,
        11.88 55.85, 11.91 55.93, 12.00 55.93, 12.03 55.83, 12.03 55.71, 12.08 55.66, 12.11 55.72,
        12.07 55.84, 12.04 55.96, 11.90 55.955, 11.85 55.98, 12.08 56.06, 12.31 56.13, 12.62 56.04,
        12.52 55.93, 12.59 55.77, 12.60 55.70, 12.68 55.62, 12.62 55.56, 12.52 55.58, 12.43 55.60,
        12.33 55.57, 12.22 55.50, 12.22 55.43, 12.38 55.40, 12.46 55.31, 12.38 55.24, 12.16 55.20,
        12.05 55.14, 12.18 55.08, 12.15 54.99, 11.91 54.99, 11.70 55.09, 11.62 55.19, 11.40 55.22,
        11.24 55.20, 11.13 55.33, 11.20 55.44, 11.10 55.52, 11.10 55.62, 10.94 55.65, 11.09 55.69,
        10.88 55.74, 11.12 55.73, 11.33 55.74, 11.36 55.83, 11.46 55.88, 11.44 55.93""",
    "Møn": """
        12.18 54.95, 12.30 55.03, 12.54 55.00, 12.53 54.94, 12.38 54.91, 12.22 54.86""",
    "Falster": """
        11.86 54.96, 12.06 54.92, 12.15 54.83, 12.00 54.71, 11.95 54.57, 11.89 54.66, 11.89 54.77,
        11.80 54.88""",
    "Lolland": """
        11.04 54.89, 11.25 54.91, 11.48 54.84, 11.72 54.88, 11.83 54.77, 11.84 54.67, 11.60 54.63,
        11.36 54.64, 11.20 54.71, 11.00 54.78""",
    "Samsø": "10.54 56.00, 10.63 55.97, 10.67 55.86, 10.61 55.77, 10.53 55.82, 10.56 55.91",
    "Læsø": "10.90 57.28, 11.08 57.33, 11.20 57.28, 11.16 57.22, 10.98 57.20",
    "Fanø": "8.37 55.46, 8.43 55.42, 8.46 55.35, 8.39 55.35",
    "Rømø": "8.51 55.19, 8.57 55.16, 8.56 55.08, 8.49 55.09",
    "Bornholm": """
        14.76 55.30, 14.97 55.22, 15.15 55.14, 15.14 55.06, 15.08 54.99, 14.86 55.03, 14.69 55.09,
        14.70 55.19""",
}

_TOWNS = """
    Albertslund 12.36 55.66, Allerød 12.36 55.87, Assens 9.93 55.27, Ballerup 12.36 55.73,
    Billund 9.11 55.73, Bornholm 14.90 55.13, Brøndby 12.42 55.65, Brønderslev 9.95 57.27,
    Dragør 12.64 55.60, Egedal 12.20 55.77, Esbjerg 8.47 55.48, Fanø 8.41 55.40,
    Favrskov 10.02 56.33, Faxe 12.12 55.25, Fredensborg 12.40 55.97, Fredericia 9.73 55.57,
    Frederiksberg 12.53 55.68, Frederikshavn 10.50 57.44, Frederikssund 12.11 55.84,
    Furesø 12.36 55.80, Faaborg-Midtfyn 10.40 55.20, Gentofte 12.55 55.75, Gladsaxe 12.48 55.74,
    Glostrup 12.40 55.67, Greve 12.28 55.60, Gribskov 12.20 56.03, Guldborgsund 11.93 54.77,
    Haderslev 9.47 55.25, Halsnæs 12.03 56.00, Hedensted 9.70 55.77, Helsingør 12.55 56.03,
    Herlev 12.44 55.73, Herning 8.98 56.14, Hillerød 12.31 55.93, Hjørring 9.98 57.46,
    Holbæk 11.70 55.69, Holstebro 8.62 56.36, Horsens 9.83 55.87, Hvidovre 12.47 55.64,
    Høje-Taastrup 12.28 55.65, Hørsholm 12.48 55.88, Ikast-Brande 9.15 56.13, Ishøj 12.34 55.61,
    Jammerbugt 9.65 57.16, Kalundborg 11.17 55.67, Kerteminde 10.64 55.44, Kolding 9.45 55.49,
    København 12.56 55.67, Køge 12.16 55.45, Langeland 10.77 54.92, Lejre 11.95 55.60,
    Lemvig 8.30 56.52, Lolland 11.35 54.78, Lyngby-Taarbæk 12.50 55.77, Læsø 11.05 57.26,
    Mariagerfjord 9.85 56.65, Middelfart 9.76 55.50, Morsø 8.80 56.82, Norddjurs 10.80 56.43,
    Nordfyns 10.18 55.53, Nyborg 10.76 55.31, Næstved 11.76 55.23, Odder 10.15 55.97,
    Odense 10.39 55.40, Odsherred 11.60 55.89, Randers 10.04 56.46, Rebild 9.85 56.86,
    Ringkøbing-Skjern 8.37 56.05, Ringsted 11.79 55.44, Roskilde 12.09 55.63, Rudersdal 12.48 55.83,
    Rødovre 12.45 55.68, Samsø 10.61 55.85, Silkeborg 9.55 56.17, Skanderborg 9.93 56.04,
    Skive 8.99 56.55, Slagelse 11.35 55.40, Solrød 12.17 55.53, Sorø 11.56 55.43,
    Stevns 12.30 55.33, Struer 8.60 56.47, Svendborg 10.60 55.08, Syddjurs 10.50 56.31,
    Sønderborg 9.84 54.95, Thisted 8.68 57.00, Tønder 8.87 54.94, Tårnby 12.60 55.63,
    Vallensbæk 12.39 55.63, Varde 8.48 55.62, Vejen 9.14 55.48, Vejle 9.52 55.71,
    Vesthimmerlands 9.45 56.81, Viborg 9.40 56.45, Vordingborg 11.92 55.02, Ærø 10.38 54.88,
    Aabenraa 9.39 55.05, Aalborg 9.92 57.02, Aarhus 10.16 56.16
"""


def coasts() -> dict[str, tuple[Place, ...]]:
    """The corners of each stretch of land, in units of the drawing."""
    return {
        name: tuple(_place(*corner.split()) for corner in corners.split(","))
        for name, corners in _COASTS.items()
    }


def outline() -> str:
    """All coasts as one path of an SVG."""
    return "".join(f"M{' '.join(map(_written, corners))}z" for corners in coasts().values())


def towns() -> dict[str, Place]:
    """Where each municipality's main town is, in units of the drawing."""
    return {
        name: _place(east, north)
        for name, east, north in (town.split() for town in _TOWNS.split(","))
    }


def town(municipality: str) -> Place | None:
    """Where a municipality is; also under its name without the genitive ("Nordfyn")."""
    known = towns()
    return known.get(municipality) or known.get(f"{municipality}s")


def apart(places: Sequence[Place], across: float, down: float) -> list[float]:
    """Heights for the names of places, given from north to south, so that none covers another.

    A name is moved down until it is ``down`` from those above it that begin less than ``across``
    to its left or right.
    """
    heights: list[float] = []
    for x, y in places:
        near = [
            h for (other, _), h in zip(places, heights, strict=False) if abs(other - x) < across
        ]
        heights.append(max([y, *(h + down for h in near)]))
    return heights


def _place(east: str, north: str) -> Place:
    """Degrees as units of the drawing."""
    x, y = float(east), float(north)
    if x > _BORNHOLM_FROM:
        x, y = x + _BORNHOLM_BY[0], y + _BORNHOLM_BY[1]
    return (
        round((x - _CORNER[0]) * _NARROWING * _SCALE, 1),
        round((_CORNER[1] - y) * _SCALE, 1),
    )


def _written(corner: Place) -> str:
    return f"{corner[0]:g},{corner[1]:g}"
