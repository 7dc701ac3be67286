"""What README and docs promise."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.conftest import REPORT, ROOT
from tryghed_search.bundled import sha256_of
from tryghed_search.passages import Filters, Question
from tryghed_search.search import Searcher
from tryghed_search.settings import Settings

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(ROOT.glob("*/README.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_that_there_are(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_names_every_setting() -> None:
    for name in Settings.model_fields:
        assert f"`TRYGHED_{name.upper()}`" in README


def test_the_readme_names_every_place_of_the_layout() -> None:
    for place in ("ingest", "src/tryghed_search", "index", "web", "tests", "training", "docs"):
        assert f"| `{place}/` |" in README
        assert (ROOT / place).is_dir()


def test_the_architecture_names_every_module() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    source = ROOT / "src" / "tryghed_search"
    for path in source.rglob("[a-z]*.py"):
        module = ".".join(path.relative_to(source).with_suffix("").parts)
        assert f"`{module}`" in text, module


def test_the_reports_provenance_holds_its_hash() -> None:
    provenance = (REPORT / "README.md").read_text(encoding="utf-8")
    assert sha256_of(REPORT / "report.txt") in provenance


def test_the_readmes_examples_are_answered_as_it_says(searcher: Searcher) -> None:
    def first(question: str) -> str:
        assert question in README
        return searcher.ask(Question(question)).hits[0].passage.text

    assert "reducerede indbrud med 83%." in first(
        "Hvor meget faldt antallet af indbrud i Hjørring?"
    )
    assert "digital" in first("gamle der bliver snydt på nettet")
    assert "kærm" in first("hjemeplejen skaermbesog")
    assert "300 fremmødte" in first("How many people came to the event in Gentofte?")
    assert "noget for landkommuner" in README
    assert searcher.sections("noget for landkommuner", Filters())[0].section.slug == "nordfyn"
    notice = searcher.ask(Question("Hvad gør Viborg mod indbrud?")).notice
    assert notice is not None
    assert notice.startswith("Rapporten nævner ikke Viborg")


def test_the_version_is_the_changelogs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {project['version']}" in changelog


def test_the_lock_fits_the_projects_ranges() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = dict(
        line.lower().replace("_", "-").split("==")
        for line in (ROOT / "requirements.lock").read_text(encoding="utf-8").split()
    )
    extras = project["optional-dependencies"]
    for requirement in [*project["dependencies"], *extras["postgres"], *extras["test"]]:
        name = re.split(r"[<>=\[]", requirement, maxsplit=1)[0]
        if name == project["name"]:
            continue
        assert name.lower() in lock, name
