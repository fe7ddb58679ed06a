"""The files that the agent's file names: passwords and certificates of broker and devices."""

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import yaml

from diemcau_contract.causes import Text
from diemcau_contract.documents import Place, dotted, lines_of
from diemcau_contract.errors import Problem
from diemcau_contract.mistakes import unreadable_text

_OTHERS_MODE: Final = stat.S_IRWXG | stat.S_IRWXO


def file_problems(text: str, path: Path, shown: str) -> Iterator[Problem]:
    """Look at the files that the document names, even where the document has other problems."""
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    lines = lines_of(text)
    for where, section in _sections(content):
        for key, secret in (("password_file", True), ("ca_file", False)):
            name = section.get(key)
            if isinstance(name, str) and name:
                what = _unusable(beside(path, name), secret=secret)
                if what:
                    place = (*where, key)
                    yield Problem(shown, lines.get(place, 0), dotted(place), what)


def _sections(content: object) -> Iterator[tuple[Place, dict[str, object]]]:
    """Yield the parts of the document that may name files, with their places."""
    if not isinstance(content, dict):
        return
    broker, devices = content.get("broker"), content.get("devices")
    if isinstance(broker, dict):
        yield ("broker",), broker
    for number, device in enumerate(devices if isinstance(devices, list) else ()):
        source = device.get("source") if isinstance(device, dict) else None
        if isinstance(source, dict):
            yield ("devices", number, "source"), source


def _unusable(path: Path, *, secret: bool) -> Text | None:
    """Say why the file cannot be used, or None."""
    try:
        with path.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(65_536)
            if secret:
                content.decode()
    except (OSError, UnicodeDecodeError) as error:
        why = unreadable_text(error)
        return Text(f"{path} không đọc được: {why.vi}", f"{path} cannot be read: {why.en}")
    if secret and sys.platform != "win32" and mode & _OTHERS_MODE:
        bits = f"{stat.S_IMODE(mode):04o}"
        return Text(
            f"{path} đang cho người khác đọc (quyền {bits}); chỉ chủ tệp được đọc: "
            f"chmod 600 {path}",
            f"{path} is open to others (mode {bits}); only its owner may read it: chmod 600 {path}",
        )
    if secret and not content.strip():
        return Text(
            f"{path} đang trống; ghi mật khẩu vào dòng đầu",
            f"{path} is empty; write the password on its first line",
        )
    return None


def beside(path: Path, name: str) -> Path:
    """Return the file ``name`` as seen from the folder of the file ``path``."""
    return Path(os.path.normpath(path.parent / name))
