"""What somebody meant by a name, and the nearest ones to what was mistyped; pure."""

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


def named(given: str, known: Iterable[tuple[str, str]]) -> str:
    """Return the id of ``known`` (id, name) that ``given`` is or is the name of, else ``given``.

    Ids come first, then names in any case, then names without their diacritics; what several
    share names none of them.
    """
    listed = tuple(known)
    if any(identifier == given for identifier, _ in listed):
        return given
    for form in (_composed, plain):
        owners = {identifier for identifier, name in listed if form(name) == form(given)}
        if len(owners) == 1 and form(given):
            return owners.pop()
    return given


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


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold().strip()
