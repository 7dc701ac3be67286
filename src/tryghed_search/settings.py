"""The operator's settings, from the environment (``TRYGHED_*``) or the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tryghed_search import store
from tryghed_search.embedding import BUNDLED

APP = "tryghed-search"

Theme = Literal["calm", "fds"]
"""The program's own look, or that of Det Fælles Designsystem."""
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d{1,5})?")
_DEFAULT_PORT = re.compile(r"http:.*:80|https:.*:443")
_PREFIX = re.compile(r"(?:/[\w.~-]+)*", re.ASCII)


class Settings(BaseSettings):
    """Every setting with its default."""

    model_config = SettingsConfigDict(env_prefix="TRYGHED_", env_ignore_empty=True, extra="ignore")

    index: Path | None = Field(
        default=None,
        description="Folder of the index. Default: ./index if it holds a manifest, else the "
        "user's data folder.",
    )
    model: str = Field(
        default=BUNDLED,
        description="Embedding model: 'bundled', a sentence-transformers model's folder or name.",
    )
    reranker: str = Field(
        default="",
        description="Cross-encoder that puts the best passages in order: a sentence-transformers "
        "model's folder or name. Default: none.",
    )
    cache: Path = Field(
        default_factory=lambda: Path(platformdirs.user_cache_dir(APP)),
        description="Folder where the bundled model is unpacked, once (about 250 MB).",
    )
    reports: Path | None = Field(
        default=None,
        description="Folder with one folder per report. Default: the reports that come with the "
        "program.",
    )
    feedback: Path | None = Field(
        default=None,
        description="File of readers' feedback on answers, JSON lines. Default: none, and readers "
        "are not asked.",
    )
    feedback_days: int = Field(
        default=365, ge=1, description="Days that a reader's feedback is kept."
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Origins whose pages may ask the API and frame the widget, separated by spaces "
        "or commas; '*' alone for any. Default: none but the server itself.",
    )
    root_path: str = Field(
        default="",
        description="Path prefix under which a reverse proxy shows the server, as /tryghed. "
        "Default: none.",
    )

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        """Each as a browser sends it in the header Origin, which is compared letter by letter."""
        origins = tuple(re.split(r"[\s,]+", value.strip(" ,"))) if isinstance(value, str) else value
        if not isinstance(origins, tuple) or origins == ("*",):
            return origins
        for origin in origins:
            if not _ORIGIN.fullmatch(origin) or _DEFAULT_PORT.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin. Write scheme and host in small letters and no path, "
                    "as https://intranet.example.dk, a port only if it is not the usual one, "
                    "several with spaces between; or * alone for any"
                )
        return origins

    @field_validator("root_path")
    @classmethod
    def _prefix(cls, value: str) -> str:
        prefix = value.rstrip("/")
        if not _PREFIX.fullmatch(prefix):
            raise ValueError(f"{value!r} is no path prefix. Write it as /tryghed")
        return prefix

    theme: Theme = Field(
        default="calm",
        description="Colours and type of the pages: the program's own, or those of Det Fælles "
        "Designsystem.",
    )

    def index_folder(self) -> Path:
        """Where the index is, or will be written."""
        if self.index is not None:
            return self.index
        here = Path("index")
        if (here / store.MANIFEST).is_file():
            return here
        return Path(platformdirs.user_data_dir(APP)) / "index"
