"""The operator's settings, from the environment (``TRYGHED_*``) or the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tryghed_search import store
from tryghed_search.embedding import BUNDLED

APP = "tryghed-search"

Theme = Literal["calm", "fds"]
"""The program's own look, or that of Det Fælles Designsystem."""


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
