"""From settings to what answers: the model, once, and the index, each time there is a new one."""

from __future__ import annotations

import functools
import gc
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from tryghed_search.embedding import Encoder
from tryghed_search.errors import SettingsError
from tryghed_search.postgres.database import Database
from tryghed_search.reranking import Reranker
from tryghed_search.search import Searcher
from tryghed_search.stores import FolderStore, PostgresStore, Store

if TYPE_CHECKING:
    from tryghed_search.settings import Settings
    from tryghed_search.store import Manifest


class Loader:
    """Loads what the settings name, the models when first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @functools.cached_property
    def store(self) -> Store:
        """Where the reports are kept; ``SettingsError`` if it cannot be used."""
        given, folder = self._settings, self._settings.index_folder()
        if not given.store:
            return FolderStore(folder)
        return PostgresStore(Database(given.store), folder, given.store_mb)

    @functools.cached_property
    def encoder(self) -> Encoder:
        """The embedding model; ``ModelError`` if it cannot be used."""
        encoder = Encoder(self._settings.model, self._settings.cache)
        # All that was imported and loaded stays, and need not be looked through for what does not.
        gc.freeze()
        gc.enable()
        return encoder

    @functools.cached_property
    def _reranker(self) -> Reranker | None:
        return Reranker(self._settings.reranker) if self._settings.reranker else None

    def load(self) -> tuple[Manifest, Searcher]:
        """The index in force, ready to be asked.

        Raises ``ModelError``, and what the store's ``load`` raises.
        """
        manifest, contents = self.store.load(self.encoder.identity)
        return manifest, Searcher(contents, self.encoder, reranker=self._reranker)


def reports_folder(settings: Settings) -> Path:
    """Where the reports are: those that the operator names, or those that come along."""
    return settings.reports or Path(str(files("tryghed_search.ingest")))


def own_reports_folder(settings: Settings) -> Path:
    """Where a report may be added; ``SettingsError`` if an upgrade would take it away again."""
    folder = reports_folder(settings)
    if settings.reports is None and not (folder.parent / "pyproject.toml").is_file():
        raise SettingsError(
            f"The reports in {folder} are replaced when the program is upgraded; name a folder of "
            "your own with --reports or TRYGHED_REPORTS."
        )
    return folder
