"""The files that the agent's file names: passwords and certificates of broker and devices."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from diemcau_contract.broker_url import ca_content_mistake
from diemcau_contract.causes import Text
from diemcau_contract.documents import Document
from diemcau_contract.errors import Problem
from diemcau_contract.mistakes import unreadable_text
from diemcau_contract.yaml_text import Place

_OTHERS_MODE: Final = stat.S_IRWXG | stat.S_IRWXO
_READ_BYTES: Final = 1024 * 1024
"""A system's whole list of authorities has some 250 KB."""


def file_problems(document: Document, path: Path) -> Iterator[Problem]:
    """Look at the files that the document names, even where the document has other problems."""
    for where in _sections(document.content):
        for key, secret in (("password_file", True), ("ca_file", False)):
            place = (*where, key)
            name = document.at(place)
            if isinstance(name, str) and name:
                what = _unusable(beside(path, name), secret=secret)
                if what:
                    yield document.problem(place, what)


def _sections(content: object) -> Iterator[Place]:
    """Yield the places of the parts of the document that may name files."""
    yield ("broker",)
    devices = content.get("devices") if isinstance(content, dict) else None
    for number in range(len(devices) if isinstance(devices, list) else 0):
        yield ("devices", number, "source")


def _unusable(path: Path, *, secret: bool) -> Text | None:
    """Say why the file cannot be used, or None."""
    try:
        with path.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(_READ_BYTES)
            if secret:
                content.decode()
    except (OSError, UnicodeDecodeError) as error:
        why = unreadable_text(error)
        return Text(f"{path} không đọc được: {why.vi}", f"{path} cannot be read: {why.en}")
    if not secret:
        mistake = ca_content_mistake(content)
        return mistake and Text(f"{path} {mistake.vi}", f"{path} {mistake.en}")
    if sys.platform != "win32" and mode & _OTHERS_MODE:
        bits = f"{stat.S_IMODE(mode):04o}"
        return Text(
            f"{path} đang cho người khác đọc (quyền {bits}); chỉ chủ tệp được đọc: "
            f"chmod 600 {path}",
            f"{path} is open to others (mode {bits}); only its owner may read it: chmod 600 {path}",
        )
    if not content.strip():
        return Text(
            f"{path} đang trống; ghi mật khẩu vào dòng đầu",
            f"{path} is empty; write the password on its first line",
        )
    return None


def beside(path: Path, name: str) -> Path:
    """Return the file ``name`` as seen from the folder of the file ``path``."""
    return Path(os.path.normpath(path.parent / name))
