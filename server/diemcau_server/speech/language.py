"""The language of what is said: its catalogue, its numbers.

English sentences stand in the code as message ids; ``locale/vi`` holds the Vietnamese ones.
"""

import gettext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from diemcau_contract.causes import Language

DOMAIN: Final = "diemcau"
LOCALE_FOLDER: Final = Path(__file__).resolve().parent.parent / "locale"


class BothLanguages(Protocol):
    """A sentence that carries both languages with it."""

    @property
    def vi(self) -> str:
        """Vietnamese."""

    @property
    def en(self) -> str:
        """English."""


def mark(message: str) -> str:
    """Mark ``message`` for the catalogue where it is written before a language is known."""
    return message


@dataclass(frozen=True, slots=True)
class Speech:
    """Says message ids in one language; placeholders are named in braces."""

    language: Language
    catalogue: gettext.NullTranslations

    def __call__(self, message: str, /, **values: object) -> str:
        """Return ``message`` in this language with its placeholders filled."""
        return self.catalogue.gettext(message).format(**values)

    def count(self, one: str, many: str, number: int, /, **values: object) -> str:
        """Return the form that fits ``number``, which fills ``{number}``."""
        return self.catalogue.ngettext(one, many, number).format(number=number, **values)

    def pick(self, sentence: BothLanguages) -> str:
        """Return the half of ``sentence`` that is in this language."""
        return sentence.vi if self.language == "vi" else sentence.en

    def number(self, value: float, digits: int = 0) -> str:
        """Return ``value`` with this language's decimal sign."""
        text = f"{value:.{digits}f}"
        return text.replace(".", ",") if self.language == "vi" else text


def speech(language: Language) -> Speech:
    """Load the catalogue of ``language``; the message ids are the English one."""
    if language == "en":
        return Speech("en", gettext.NullTranslations())
    return Speech("vi", gettext.translation(DOMAIN, LOCALE_FOLDER, languages=["vi"]))
