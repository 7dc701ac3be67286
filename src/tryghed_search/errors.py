"""What can go wrong, each with a message that says what to do next.

TryghedError
├── SettingsError       a setting that cannot be used
├── OutlineError        an outline that does not fit its text
├── DocumentError      a document that cannot be made a report
├── QuestionsError      a file of labelled questions that cannot be read
├── ModelError          a model that is missing, damaged or unusable
├── NoIndexError        no index where one was looked for
├── DamagedIndexError   an index whose files are not those that were written
├── OtherModelError     an index that was made with another model or another format
├── IndexWriteError     an index that could not be written
│   └── RecallError     an index that would not find what it should
├── DatabaseError       a database that cannot be used
│   └── DatabaseLostError  a database that does not answer, or not with what was asked for
├── BadQuestionError    a question, history or filter that cannot be used
├── FeedbackError       feedback that cannot be kept or read
├── NotReadyError       a server whose model and index are not loaded
├── BusyError           a server that has all the work it can do
└── CheckError          a machine or an index that is not fit
"""

from __future__ import annotations


class TryghedError(Exception):
    """The work failed; the message is one line that says what happened and what to do."""


class SettingsError(TryghedError):
    """A setting that cannot be used; the message names it and what is allowed."""


class OutlineError(TryghedError):
    """An outline that does not fit its text."""


class DocumentError(TryghedError):
    """A document that cannot be made a report; nothing is written."""


class QuestionsError(TryghedError):
    """A file of labelled questions that cannot be read."""


class ModelError(TryghedError):
    """A model that is missing, damaged or unusable."""


class NoIndexError(TryghedError):
    """No index where one was looked for."""


class DamagedIndexError(TryghedError):
    """An index whose files are not those that were written."""


class OtherModelError(TryghedError):
    """An index that was made with another model or in another format."""


class IndexWriteError(TryghedError):
    """An index that could not be written; what was there before is untouched."""


class RecallError(IndexWriteError):
    """An index that finds too few of the nearest vectors; what was there before is untouched."""


class DatabaseError(TryghedError):
    """A database that cannot be used; the message names no password."""


class DatabaseLostError(DatabaseError):
    """The database does not answer, or not with what was asked for; it may again at any time."""


class BadQuestionError(TryghedError):
    """A question, history or filter that cannot be used; the message is fit for the asker."""


class FeedbackError(TryghedError):
    """Feedback that cannot be kept or read."""


class NotReadyError(TryghedError):
    """The server has no loaded model and index yet, or has lost them."""


class BusyError(TryghedError):
    """The server has all the work that it can do; the message is fit for the asker."""


class CheckError(TryghedError):
    """The machine, the model or the index is not fit; the message says how many checks failed."""
