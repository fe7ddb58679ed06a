"""Errors of the contract.

ContractError
├── TopicError      a topic that is none of ours
├── MessageError    a payload that is not a message of this version (has a ``reason`` code)
├── DocumentError   a configuration file, with all its problems at once
└── CommandLineError   a command line that means nothing, with its sentence in both languages
ValueMistake        a value that a file must not hold; it becomes one of a file's problems
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from diemcau_contract.causes import Language, Text


class ContractError(Exception):
    """Root of the errors of this package."""


class TopicError(ContractError):
    """A topic name that SPEC 2 does not know."""


class RejectReason(StrEnum):
    """Why a message was kept aside (fixed set: it is a metric label)."""

    NOT_JSON = "not_json"
    TOO_LARGE = "too_large"
    WRONG_VERSION = "wrong_version"
    INVALID = "invalid"
    WRONG_POINT = "wrong_point"
    UNKNOWN_POINT = "unknown_point"
    UNKNOWN_TOPIC = "unknown_topic"


class MessageError(ContractError):
    """A payload that cannot be taken as a message.

    ``reason`` is the code that is counted, ``detail`` the sentence for the log.
    """

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: where it stands, what is wrong, what is allowed.

    ``line`` counts from 1; 0 means the file as a whole.
    """

    file: str
    line: int
    where: str
    what: Text

    def __str__(self) -> str:
        return self.in_language("en")

    def in_language(self, language: Language) -> str:
        """Return the problem in one line."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        what = self.what.in_language(language)
        # A key is the writer's own text; nothing of it may steer a terminal.
        where = self.where if self.where.isprintable() else repr(self.where)[1:-1]
        return f"{place}: {where}: {what}" if where else f"{place}: {what}"


class ValueMistake(ValueError):  # noqa: N818  # it never leaves the reading of a document
    """What a validator of a document's model raises: the sentence in both languages."""

    def __init__(self, vi: str, en: str) -> None:
        super().__init__(en)
        self.text = Text(vi, en)


class DocumentError(ContractError):
    """A configuration file with one or more problems; all of them are listed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class CommandLineError(ContractError):
    """A mistake on the command line; ``text`` says it and where help is."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text
