"""A sentence in both languages of the project."""

from dataclasses import dataclass
from typing import Literal

Language = Literal["vi", "en"]


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in both languages."""

    vi: str
    en: str

    def in_language(self, language: Language) -> str:
        """Return the sentence in ``language``."""
        return self.vi if language == "vi" else self.en

    def __add__(self, other: "Text") -> "Text":
        """Return both sentences, one behind the other."""
        return Text(f"{self.vi} {other.vi}".rstrip(), f"{self.en} {other.en}".rstrip())
