"""Writing to an index's folder: one writer at a time, and what is said when it cannot be done."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tryghed_search.errors import IndexWriteError

_LOCK = ".lock"


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for writing, made if there is none; whoever comes second is told at once.

    The lock is the operating system's (flock), so it ends with the process, however that ends. A
    folder that was made for work which then failed with nothing in it is removed.
    Raises ``IndexWriteError`` when the folder cannot be written, when another holds it, and for an
    ``OSError`` of what is done meanwhile.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / _LOCK).open("a", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise IndexWriteError(
                    f"Another ingest is writing to {folder}; wait until it is done and try again."
                ) from None
            with tempfile.TemporaryFile(dir=folder):
                pass  # the lock's file may be one's own in a folder that is not
            try:
                yield
            except BaseException:
                if made:
                    _remove_empty(folder)
                raise
    except OSError as error:
        raise IndexWriteError(_why(folder, error)) from None


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        if [path.name for path in folder.iterdir()] == [_LOCK]:
            (folder / _LOCK).unlink()
            folder.rmdir()


def sync(path: Path) -> None:
    """Have a file or folder on the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _why(folder: Path, error: OSError) -> str:
    what = {
        None: "the disk is full",  # numpy keeps no number when it cannot write an array to its end
        errno.EACCES: "this user may not write there",
        errno.EPERM: "this user may not write there",
        errno.EROFS: "the file system is read-only",
        errno.ENOSPC: "the disk is full",
        errno.EDQUOT: "the disk quota is used up",
        errno.EFBIG: "a file would be larger than allowed",
        errno.ENOTDIR: "there is a file where a folder should be",
        errno.EEXIST: "there is a file where a folder should be",
    }.get(error.errno, error.strerror or str(error))
    return (
        f"The index cannot be written to {folder}: {what}. The old index, if there is one, is "
        "untouched. Free space, mend the rights or name another folder with --index or "
        "TRYGHED_INDEX."
    )
