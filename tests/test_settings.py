"""The operator's settings: their defaults, the environment, and where the index is looked for."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest
from pydantic import ValidationError

from tryghed_search.settings import Settings


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, with a user's data folder beside it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("TRYGHED_CACHE", raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def _with_manifest(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    return folder


def test_without_any_setting_the_bundled_model_and_reports_are_used() -> None:
    settings = Settings()
    assert settings.model == "bundled"
    assert settings.reranker == ""
    assert settings.index is None
    assert settings.reports is None
    assert settings.cache == Path(platformdirs.user_cache_dir("tryghed-search"))


def test_every_setting_comes_from_its_own_environment_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("INDEX", "MODEL", "RERANKER", "CACHE", "REPORTS", "FEEDBACK"):
        monkeypatch.setenv(f"TRYGHED_{name}", f"/from/{name.lower()}")
    monkeypatch.setenv("TRYGHED_FEEDBACK_DAYS", "30")
    monkeypatch.setenv("TRYGHED_THEME", "fds")
    monkeypatch.setenv("TRYGHED_ALLOWED_ORIGINS", "https://a.dk, https://b.dk:8443")
    monkeypatch.setenv("TRYGHED_ROOT_PATH", "/tryghed/")
    assert Settings().model_dump() == {
        "index": Path("/from/index"),
        "model": "/from/model",
        "reranker": "/from/reranker",
        "cache": Path("/from/cache"),
        "reports": Path("/from/reports"),
        "feedback": Path("/from/feedback"),
        "feedback_days": 30,
        "theme": "fds",
        "allowed_origins": ("https://a.dk", "https://b.dk:8443"),
        "root_path": "/tryghed",
    }


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INDEX", "MODEL", "RERANKER", "CACHE", "REPORTS", "FEEDBACK"):
        monkeypatch.setenv(f"TRYGHED_{name}", "")
    monkeypatch.setenv("HOME", "/home/nobody")
    assert Settings().model == "bundled"
    assert Settings().reranker == ""
    assert Settings().index is None
    assert Settings().reports is None
    assert Settings().feedback is None
    assert Settings().cache.is_absolute()


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("https://a.dk", ("https://a.dk",)),
        (" https://a.dk  http://b.dk:8080,https://xn--blvand-fxa.dk ,", None),
        ("http://[::1]:8000", ("http://[::1]:8000",)),
        ("http://localhost:8000", ("http://localhost:8000",)),
        ("*", ("*",)),
        ("", ()),
    ],
)
def test_origins_stand_with_spaces_or_commas_between(
    monkeypatch: pytest.MonkeyPatch, value: str, origins: tuple[str, ...] | None
) -> None:
    monkeypatch.setenv("TRYGHED_ALLOWED_ORIGINS", value)
    three = ("https://a.dk", "http://b.dk:8080", "https://xn--blvand-fxa.dk")
    assert Settings().allowed_origins == (three if origins is None else origins)


@pytest.mark.parametrize(
    "wrong",
    [
        "intranet",
        "intranet.example.dk",
        "https://a.dk/",
        "https://a.dk/path",
        "https://A.dk",
        "https://blåvand.dk",
        "https://*.a.dk",
        "https://a.dk:443",
        "http://a.dk:80",
        "ftp://a.dk",
        "null",
        "*",
        "'self'",
        "https://u@a.dk",
        "https://a.dk;",
        "https://",
    ],
)
def test_what_no_browser_would_send_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    monkeypatch.setenv("TRYGHED_ALLOWED_ORIGINS", f"https://good.dk {wrong}")
    with pytest.raises(ValidationError, match=r"as https://intranet\.example\.dk") as caught:
        Settings()
    assert repr(wrong) in str(caught.value)


@pytest.mark.parametrize(
    "wrong", ["tryghed", "/a b", "//a", "/a//b", "/æ", "https://a.dk/b", "/a?b"]
)
def test_a_prefix_that_is_no_path_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("TRYGHED_ROOT_PATH", wrong)
    with pytest.raises(ValidationError, match="/tryghed"):
        Settings()


@pytest.mark.parametrize(("value", "prefix"), [("/", ""), ("/a/b/", "/a/b"), ("/~x.y", "/~x.y")])
def test_a_prefix_ends_without_a_slash(
    monkeypatch: pytest.MonkeyPatch, value: str, prefix: str
) -> None:
    monkeypatch.setenv("TRYGHED_ROOT_PATH", value)
    assert Settings().root_path == prefix


def test_every_setting_is_described_also_in_the_readme() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert f"`TRYGHED_{name.upper()}`" in readme


def test_a_named_index_comes_before_one_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    _with_manifest(Path("index"))
    monkeypatch.setenv("TRYGHED_INDEX", str(place / "environment"))
    assert Settings(index=place / "named").index_folder() == place / "named"


def test_an_index_in_the_environment_comes_before_one_in_the_working_folder(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    _with_manifest(Path("index"))
    monkeypatch.setenv("TRYGHED_INDEX", str(place / "environment"))
    assert Settings().index_folder() == place / "environment"


def test_an_index_in_the_working_folder_comes_before_the_user_data_folder(place: Path) -> None:
    _with_manifest(place / "data/tryghed-search/index")
    _with_manifest(Path("index"))
    assert Settings().index_folder().resolve() == place / "here/index"


def test_a_folder_named_index_without_a_manifest_is_passed_over(place: Path) -> None:
    Path("index").mkdir()
    Path("index/README.md").write_text("What is built here.", encoding="utf-8")
    assert Settings().index_folder() == place / "data/tryghed-search/index"


def test_the_user_data_folder_is_the_last_resort(place: Path) -> None:
    assert Settings().index_folder() == place / "data/tryghed-search/index"
