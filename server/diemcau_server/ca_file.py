"""The file with the certificate authority of the broker."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from diemcau_contract.broker_url import ca_content_mistake
from diemcau_contract.causes import Text
from diemcau_contract.documents import Document
from diemcau_contract.errors import Problem
from diemcau_contract.mistakes import unreadable_text

_PLACE: Final = ("broker", "ca_file")


def ca_problems(document: Document, base: Path) -> Iterator[Problem]:
    """Look at the file, if the document names one, relative to ``base``."""
    name = document.at(_PLACE)
    if isinstance(name, str) and name:
        path = base / name
        mistake = _mistake(path)
        if mistake is not None:
            yield document.problem(_PLACE, Text(f"{path} {mistake.vi}", f"{path} {mistake.en}"))


def _mistake(path: Path) -> Text | None:
    try:
        content = path.read_bytes()
    except OSError as error:
        why = unreadable_text(error)
        return Text(f"không đọc được: {why.vi}", f"cannot be read: {why.en}")
    return ca_content_mistake(content)
