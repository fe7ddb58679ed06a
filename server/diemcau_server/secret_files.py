"""Files that hold one secret each: never shown, never readable by others."""

import os
import secrets
import stat
from pathlib import Path

from diemcau_contract.causes import Text
from diemcau_contract.documents import Document
from diemcau_contract.errors import Problem
from diemcau_contract.mistakes import unreadable_text, unwritable_text
from diemcau_server.errors import StartError

_TOKEN_PLACE = ("http", "token_file")
_PLACES: tuple[tuple[str, str], ...] = (
    _TOKEN_PLACE,
    ("broker", "password_file"),
    ("store", "password_file"),
)
_OTHERS_BITS = stat.S_IRWXG | stat.S_IRWXO
_DEFAULT_TOKEN_FILE = "token"  # noqa: S105  # a file name
_TOKEN_BYTES = 32


def read_all(document: Document, base: Path) -> tuple[dict[str, str], list[Problem]]:
    """Read every secret file that the document names, relative to ``base``.

    Returns the secrets by place (``http.token_file``) and the problems. A token file that does
    not exist is no problem: it is made at the first start.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for place in _PLACES:
        name = _named(document, place)
        if name is None:
            continue
        path = base / name
        if place == _TOKEN_PLACE and not os.path.lexists(path):
            continue
        secret = _read(path)
        if isinstance(secret, Text):
            problems.append(document.problem(place, secret))
        else:
            found[".".join(place)] = secret
    return found, problems


def make_token(path: Path) -> str:
    """Make the token file with a random token, readable by its owner only, and return the token.

    Raises:
        StartError: when the file cannot be written.
    """
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(token + "\n")
    except OSError as error:
        why = unwritable_text(error)
        message = Text(
            f"không ghi được tệp mã truy cập {path}: {why.vi}",
            f"cannot write the token file {path}: {why.en}",
        )
        raise StartError(message) from error
    return token


def _named(document: Document, place: tuple[str, str]) -> str | None:
    name = document.at(place)
    if name is None and place == _TOKEN_PLACE:
        return _DEFAULT_TOKEN_FILE
    return name if isinstance(name, str) and name else None


def _read(path: Path) -> str | Text:
    """Return the secret, or what is wrong with its file."""
    try:
        with path.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            secret = stream.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = unreadable_text(error)
        return _of_secret(path, f"không đọc được: {why.vi}", f"cannot be read: {why.en}")
    if os.name == "posix" and mode & _OTHERS_BITS:
        bits = f"{mode & 0o777:04o}"
        return _of_secret(
            path,
            f"đang cho người khác đọc ({bits}); chạy chmod 600",
            f"is open to others ({bits}); chmod 600 it",
        )
    return secret or _of_secret(path, "đang trống", "is empty")


def _of_secret(path: Path, vi: str, en: str) -> Text:
    return Text(f"tệp bí mật {path} {vi}", f"secret file {path} {en}")
