"""Vietnamese order of names: letters first, tones only between equal letters (TCVN 6909 names)."""

import re
import unicodedata
from typing import Final

_LETTERS: Final = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_TONES: Final = "\u0300\u0309\u0303\u0301\u0323"
"""Dictionary order after the level tone: huyền, hỏi, ngã, sắc, nặng."""
_RANK: Final = {letter: rank for rank, letter in enumerate(_LETTERS)}
_PIECES: Final = re.compile(r"\d+|[^\W\d_]+")

SortKey = tuple[tuple[tuple[int, int, tuple[int, ...]], ...], tuple[int, ...]]


def vietnamese_key(name: str) -> SortKey:
    """Return a sort key: word by word, numbers by value before letters, tones last."""
    plain, tones = _without_tones(name.casefold())
    words = tuple(_word_key(piece) for piece in _PIECES.findall(plain))
    return words, tones


def _word_key(piece: str) -> tuple[int, int, tuple[int, ...]]:
    if piece.isdigit():
        return 0, int(piece), ()
    return 1, 0, tuple(_RANK.get(letter, len(_LETTERS) + ord(letter)) for letter in piece)


def _without_tones(name: str) -> tuple[str, tuple[int, ...]]:
    """Take the tones off, keep ă â ê ô ơ ư; return also the tone of each letter."""
    letters: list[str] = []
    tones: list[int] = []
    for letter in unicodedata.normalize("NFD", name):
        if letter in _TONES and tones:
            tones[-1] = _TONES.index(letter) + 1
            continue
        letters.append(letter)
        tones.append(0)
    return unicodedata.normalize("NFC", "".join(letters)), tuple(tones)
