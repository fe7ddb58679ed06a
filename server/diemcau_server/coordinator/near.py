"""Nearest names for what somebody mistyped; pure."""

import difflib
import unicodedata
from collections.abc import Iterable

_CUTOFF = 0.6
_MOST = 3
_MIN_PART = 3
"""A shorter part of a name would match nearly everything."""


def plain(text: str) -> str:
    """Return ``text`` in lower case without diacritics, spaces and marks: "Đắk Nhau" → daknhau."""
    decomposed = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(letter for letter in decomposed if letter.isascii() and letter.isalnum())


def nearest(given: str, known: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """Return up to three ids of ``known`` (id, name) that come closest to ``given``, best first."""
    owners: dict[str, str] = {}
    for identifier, name in known:
        owners.setdefault(plain(identifier), identifier)
        owners.setdefault(plain(name), identifier)
    wanted = plain(given)
    close = difflib.get_close_matches(wanted, owners, n=2 * _MOST, cutoff=_CUTOFF)
    if len(wanted) >= _MIN_PART:
        close += [key for key in owners if wanted in key]
    return tuple(dict.fromkeys(owners[key] for key in close))[:_MOST]
