"""The operator's settings: command line, then environment, then a TOML file, then defaults."""

from __future__ import annotations

import difflib
import ipaddress
import logging
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from tryghed_search import store
from tryghed_search.embedding import BUNDLED
from tryghed_search.errors import SettingsError

APP = "tryghed-search"
PREFIX = "TRYGHED_"
CONFIG = f"{PREFIX}CONFIG"
"""The environment variable that names the TOML file; every other one is a field of Settings."""

logger = logging.getLogger(__name__)


def _setting(default: Any, unit: str, help_: str, **rules: Any) -> Any:
    return Field(default=default, description=help_, json_schema_extra={"unit": unit}, **rules)


Theme = Literal["calm", "fds"]
"""The program's own look, or that of Det Fælles Designsystem."""
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?")
_DEFAULT_PORT = re.compile(r"http:.*:80|https:.*:443")
_PREFIX = re.compile(r"(?:/[\w.~-]+)*", re.ASCII)


class Settings(BaseSettings):
    """Every setting with its default, its unit and what it is for."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid")

    index: Path | None = _setting(
        None,
        "folder",
        "Folder of the index. Default: ./index if it holds a manifest, else the user's data "
        "folder.",
    )
    store: str = _setting(
        "",
        "address",
        "PostgreSQL database to keep the reports in instead of the index's folder, as "
        "postgresql://user:password@host1,host2/database. Default: none.",
    )
    store_mb: int = _setting(
        512,
        "MB",
        "Memory of each process for token vectors that came from the database.",
        ge=1,
        le=1_000_000,
    )
    model: str = _setting(
        BUNDLED,
        "name or folder",
        "Embedding model: 'bundled', a sentence-transformers model's folder or name.",
    )
    reranker: str = _setting(
        "",
        "name or folder",
        "Cross-encoder that puts the best passages in order: a sentence-transformers model's "
        "folder or name. Default: none.",
    )
    cache: Path = Field(
        default_factory=lambda: Path(platformdirs.user_cache_dir(APP)),
        description="Folder where the bundled model is unpacked, once (about 250 MB). Default: the "
        "user's cache folder.",
        json_schema_extra={"unit": "folder"},
    )
    reports: Path | None = _setting(
        None,
        "folder",
        "Folder with one folder per report. Default: the reports that come with the program.",
    )
    feedback: Path | None = _setting(
        None,
        "file",
        "File of readers' feedback on answers, JSON lines. Default: none, and readers are not "
        "asked. Needs one worker.",
    )
    feedback_days: int = _setting(365, "days", "How long a reader's feedback is kept.", ge=1)

    workers: int = _setting(
        1, "processes", "Processes that serve, each with the model in memory.", ge=1, le=64
    )
    theme: Theme = _setting(
        "calm",
        "calm or fds",
        "Colours and type of the pages: the program's own, or those of Det Fælles Designsystem.",
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = _setting(
        (),
        "origins",
        "Origins whose pages may ask the API and frame the widget, separated by spaces or commas; "
        "'*' alone for any. Default: none but the server itself.",
    )
    root_path: str = _setting(
        "",
        "path",
        "Path prefix under which a reverse proxy shows the server, as /tryghed. Default: none.",
    )

    queue: int = _setting(
        64,
        "questions",
        "Questions that wait for the model at most, the one it works on included; more are told "
        "to come back (503).",
        ge=1,
        le=10_000,
    )
    answers: int = _setting(
        1000,
        "answers",
        "Answers that are remembered until the index changes; 0 remembers none.",
        ge=0,
        le=100_000,
    )
    answer_seconds: float = _setting(
        10.0,
        "seconds",
        "How long a question may wait for its answer before it is told to come back (503).",
        gt=0,
        le=600,
    )
    requests: int = _setting(
        200, "requests", "Requests in progress at most; more are told to come back (503).", ge=1
    )
    connections: int = _setting(
        500, "connections", "Connections open at most; more are closed at once.", ge=1
    )
    rate: float = _setting(
        240.0,
        "requests a minute",
        "What one client may ask for in the long run, files and health aside; more is refused "
        "(429). 0 sets no limit.",
        ge=0,
        le=1_000_000,
    )
    rate_burst: int = _setting(
        120, "requests", "What one client may ask for at once, after a rest.", ge=1
    )
    read_seconds: float = _setting(
        15.0,
        "seconds",
        "How long a request may take to arrive whole before its connection is closed.",
        gt=0,
        le=3600,
    )
    write_seconds: float = _setting(
        30.0,
        "seconds",
        "How long a client may take nothing of what it is sent before its connection is closed.",
        gt=0,
        le=3600,
    )
    stop_seconds: int = _setting(
        10,
        "seconds",
        "How long requests in progress may go on when the server is told to stop.",
        ge=1,
        le=3600,
    )
    reload_seconds: float = _setting(
        2.0,
        "seconds",
        "How often the server looks for a new index; 0 never looks.",
        ge=0,
        le=86_400,
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = _setting(
        (),
        "addresses or networks",
        "Reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, separated by "
        "spaces or commas. Default: none.",
    )
    hsts_days: int = _setting(
        365,
        "days",
        "How long a browser that came over TLS keeps to it (Strict-Transport-Security); 0 sends "
        "no such header.",
        ge=0,
        le=3650,
    )
    log_format: Literal["text", "json"] = _setting(
        "text", "text or json", "How a line of the log is written."
    )
    log_requests: bool = _setting(
        False, "true or false", "Whether every request is logged, without what was asked."
    )
    log_questions: bool = _setting(
        False,
        "true or false",
        "Whether questions are logged, long numbers and e-mail addresses masked.",
    )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                ipaddress.ip_network(text)
            except ValueError:
                raise ValueError(
                    f"{text!r} is no address (10.0.0.7) or network (10.0.0.0/24)"
                ) from None
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What is given, then the environment, then the file."""
        path = os.environ.get(CONFIG)
        file = InitSettingsSource(settings_cls, read_config(Path(path)) if path else {})
        return init_settings, env_settings, file

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        """Each as a browser sends it in the header Origin, which is compared letter by letter."""
        origins = re.split(r"[\s,]+", value.strip(" ,")) if isinstance(value, str) else value
        if not isinstance(origins, list | tuple) or list(origins) == ["*"]:
            return origins
        for origin in origins:
            if not _ORIGIN.fullmatch(str(origin)) or _DEFAULT_PORT.fullmatch(str(origin)):
                raise ValueError(
                    f"{origin!r} is no origin. Write scheme and host in small letters and no path, "
                    "as https://intranet.example.dk, a port only if it is not the usual one, "
                    "several with spaces between; or * alone for any"
                )
        return tuple(origins)

    @field_validator("store")
    @classmethod
    def _database(cls, value: str) -> str:
        if value and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError(
                "it is no address. Write it as postgresql://user:password@host1,host2/database"
            )
        return value

    @field_validator("root_path")
    @classmethod
    def _prefix(cls, value: str) -> str:
        prefix = value.rstrip("/")
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f"{value!r} is no path prefix. Write it as /tryghed")
        return prefix

    def index_folder(self) -> Path:
        """Where the index is, or will be written."""
        if self.index is not None:
            return self.index
        here = Path("index")
        if (here / store.MANIFEST).is_file():
            return here
        return Path(platformdirs.user_data_dir(APP)) / "index"


def read_config(path: Path) -> dict[str, Any]:
    """The settings in a TOML file, by field name; ``SettingsError`` if it cannot be used."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8").removeprefix("\ufeff"))
    except OSError as error:
        raise SettingsError(
            f"The file of settings {path} cannot be read: {error.strerror}. Correct --config or "
            f"{CONFIG}."
        ) from None
    except ValueError as error:  # no TOML, or no UTF-8
        raise SettingsError(f"The file of settings {path} is no TOML: {error}.") from None
    except RecursionError:
        raise SettingsError(f"The file of settings {path} is no TOML: too deep.") from None
    for name in found:
        if name not in Settings.model_fields:
            raise SettingsError(
                f"There is no setting {name!r}, which {path} names.{_nearest(name)}"
            )
    return found


def load(**given: Any) -> Settings:
    """The settings in force; what is given here and not None comes before all else.

    Raises ``SettingsError`` naming the setting, and what is allowed. A variable of the environment
    that looks like a setting and is none is told of in the log.
    """
    for name in os.environ:
        field = name.removeprefix(PREFIX).lower()
        if name.startswith(PREFIX) and name != CONFIG and field not in Settings.model_fields:
            # It may be for another version of the program, which shares the environment.
            logger.warning("There is no setting %s; it is left out.%s", name, _nearest(field))
    try:
        return Settings(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = f"{PREFIX}{first['loc'][0]}".upper()
        why = str(first["msg"]).removeprefix("Value error, ")
        unit = _unit(Settings.model_fields[str(first["loc"][0])])
        raise SettingsError(f"The setting {name} cannot be used: {why} ({unit}).") from None


def _nearest(name: str) -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, 1)
    return f" Is {PREFIX}{near[0].upper()} meant?" if near else " See docs/operating.md."


def table() -> Iterator[tuple[str, str, str, str]]:
    """Each setting's variable, default, unit and help, as the documentation has them."""
    for name, field in Settings.model_fields.items():
        yield f"{PREFIX}{name.upper()}", _default(field), _unit(field), field.description or ""


def _unit(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def _default(field: FieldInfo) -> str:
    value = field.default
    if field.default_factory is not None or value in (None, "", ()):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")
