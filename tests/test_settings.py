"""The operator's settings: their defaults, the environment, and where the index is looked for."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

import platformdirs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from tryghed_search import settings
from tryghed_search.errors import SettingsError
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


GIVEN: dict[str, tuple[str, object]] = {
    "index": ("/from/index", Path("/from/index")),
    "store": ("postgresql://a:b@c,d/e", "postgresql://a:b@c,d/e"),
    "store_mb": ("64", 64),
    "model": ("/from/model", "/from/model"),
    "reranker": ("/from/reranker", "/from/reranker"),
    "cache": ("/from/cache", Path("/from/cache")),
    "reports": ("/from/reports", Path("/from/reports")),
    "feedback": ("/from/feedback", Path("/from/feedback")),
    "feedback_days": ("30", 30),
    "workers": ("2", 2),
    "queue": ("7", 7),
    "answers": ("0", 0),
    "answer_seconds": ("2.5", 2.5),
    "requests": ("9", 9),
    "connections": ("11", 11),
    "rate": ("60", 60.0),
    "rate_burst": ("5", 5),
    "read_seconds": ("3", 3.0),
    "write_seconds": ("4", 4.0),
    "stop_seconds": ("6", 6),
    "reload_seconds": ("0", 0.0),
    "trusted_proxies": (
        "10.0.0.7, fd00::/8 192.0.2.0/24",
        ("10.0.0.7", "fd00::/8", "192.0.2.0/24"),
    ),
    "hsts_days": ("0", 0),
    "log_format": ("json", "json"),
    "log_requests": ("true", True),
    "log_questions": ("yes", True),
    "theme": ("fds", "fds"),
    "allowed_origins": (
        "https://a.dk, https://b.dk:8443",
        ("https://a.dk", "https://b.dk:8443"),
    ),
    "root_path": ("/tryghed/", "/tryghed"),
}
"""Each setting as the environment gives it, and what it is then; none of them its default."""


def test_every_setting_comes_from_its_own_environment_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, (text, value) in GIVEN.items():
        assert getattr(Settings(), name) != value
        monkeypatch.setenv(f"TRYGHED_{name.upper()}", text)
    assert settings.load().model_dump() == {name: value for name, (_, value) in GIVEN.items()}


def test_every_setting_comes_from_a_file_and_the_environment_comes_first(
    monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    lines = [
        f"{name} = {json.dumps(list(value) if isinstance(value, tuple) else value, default=str)}"
        for name, (_, value) in GIVEN.items()
    ]
    (place / "settings.toml").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setenv("TRYGHED_CONFIG", str(place / "settings.toml"))
    assert settings.load().model_dump() == {name: value for name, (_, value) in GIVEN.items()}
    monkeypatch.setenv("TRYGHED_QUEUE", "13")
    assert settings.load().queue == 13
    assert settings.load(queue=17).queue == 17


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("QUEUE", "0", "greater than or equal to 1 (questions)"),
        ("QUEUE", "many", "a valid integer"),
        ("WORKERS", "65", "less than or equal to 64 (processes)"),
        ("ANSWER_SECONDS", "nan", "(seconds)"),
        ("ANSWER_SECONDS", "inf", "(seconds)"),
        ("RATE", "-1", "greater than or equal to 0 (requests a minute)"),
        ("LOG_FORMAT", "xml", "'text' or 'json'"),
        ("LOG_QUESTIONS", "perhaps", "(true or false)"),
        ("TRUSTED_PROXIES", "10.0.0.7 proxy.example", "'proxy.example' is no address (10.0.0.7)"),
        ("TRUSTED_PROXIES", "*", "no address"),
        ("TRUSTED_PROXIES", "10.0.0.7/24", "no address"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, allowed: str
) -> None:
    monkeypatch.setenv(f"TRYGHED_{name}", text)
    with pytest.raises(SettingsError) as caught:
        settings.load()
    message = str(caught.value)
    assert message.startswith(f"The setting TRYGHED_{name} cannot be used: ")
    assert allowed in message
    assert "\n" not in message


def test_a_misspelt_setting_is_named_with_the_one_that_is_meant(
    monkeypatch: pytest.MonkeyPatch, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TRYGHED_RAET", "60")
    assert settings.load().rate == 240
    assert "TRYGHED_RAET; it is left out. Is TRYGHED_RATE meant?" in caplog.text
    monkeypatch.delenv("TRYGHED_RAET")
    (place / "settings.toml").write_text("querty = 3\n", encoding="utf-8")
    monkeypatch.setenv("TRYGHED_CONFIG", str(place / "settings.toml"))
    with pytest.raises(SettingsError, match="no setting 'querty'"):
        settings.load()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"queue = ", "is no TOML"),
        (b"queue = 1\nqueue = 2", "is no TOML"),
        (b"\xff\xfe", "is no TOML"),
        (b"queue = 'seven'", "TRYGHED_QUEUE cannot be used"),
        (b"[queue]\nlength = 3", "TRYGHED_QUEUE cannot be used"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, place: Path, content: bytes | None, why: str
) -> None:
    path = place / "settings.toml"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("TRYGHED_CONFIG", str(path))
    with pytest.raises(SettingsError) as caught:
        settings.load()
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


@example(b"a = " + b"[" * 3000)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode()))
def test_any_file_of_settings_is_used_or_refused(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        with contextlib.suppress(SettingsError):
            assert settings.read_config(Path(file.name)).keys() <= Settings.model_fields.keys()


def test_the_manual_has_every_setting_with_its_default_and_unit() -> None:
    manual = (Path(__file__).parents[1] / "docs/operating.md").read_text(encoding="utf-8")
    rows = [line for line in manual.splitlines() if line.startswith("| `TRYGHED_")]
    told = [
        f"| `{name}` | {default and f'`{default}`'} | {unit} | {text} |"
        for name, default, unit, text in settings.table()
    ]
    assert rows == told
    for name, default, unit, text in settings.table():
        assert unit, name
        assert text.endswith("."), name
        assert default or "efault: " in text, name


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
