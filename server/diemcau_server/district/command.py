"""Writes a district's files, all or none."""

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from diemcau_contract.errors import DocumentError
from diemcau_server.cli.failure import CommandError, ExitCode
from diemcau_server.district.names import load_names
from diemcau_server.district.papers import Paper, papers
from diemcau_server.district.told import find_programs, told
from diemcau_server.speech.language import Speech

_PRIVATE_FILE = 0o600
_FILE = 0o644
_PRIVATE_FOLDER = 0o700
_OPEN_FOLDER = 0o755
_BROKER_USER = "mosquitto"
_MISREAD = re.compile(r"[\s%$\"'\\`]")


def write_district(file: Path, folder: Path, say: Speech) -> list[str]:
    """Write all files into ``folder`` and return what to tell the user.

    Raises:
        CommandError: the file of names is wrong, or the folder is not empty or cannot be written.
    """
    try:
        names = load_names(file)
    except DocumentError as error:
        problems = [f"  {one.in_language(say.language)}" for one in error.problems]
        sentence = "\n".join((say("The file of names cannot be used:"), *problems))
        raise CommandError(sentence, ExitCode.USAGE) from error
    try:
        target = folder.absolute()
        _refuse_used(target, say)
        programs = find_programs()
        for path in (target, programs.server, programs.broker):
            _refuse_misread(str(path), say)
        lines = list(told(names, target, say))
        texts = papers(names, target, programs)
        texts["README.txt"] = Paper("\n".join(lines) + "\n")
        _write_all(target, texts)
    except OSError as error:
        reason = error.strerror or str(error)
        sentence = say("{folder} cannot be written: {reason}.", folder=folder, reason=reason)
        raise CommandError(sentence, ExitCode.USAGE) from error
    return lines


def _refuse_used(folder: Path, say: Speech) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        sentence = say("{folder} is not an empty folder: nothing was written.", folder=folder)
        raise CommandError(sentence, ExitCode.USAGE)


def _refuse_misread(path: str, say: Speech) -> None:
    """Units, files of Mosquitto and shells each read these characters in a way of their own."""
    if os.name == "posix" and _MISREAD.search(path):
        sentence = say(
            "{path} holds a space, a quote, a backslash, % or $, which systemd reads otherwise; "
            "choose another folder.",
            path=path,
        )
        raise CommandError(sentence, ExitCode.USAGE)


def _write_all(folder: Path, texts: Mapping[str, Paper]) -> None:
    """Write a draft, then put it into its place: all of it is there, or nothing.

    A folder that is there already keeps its place: a shell may stand in it.
    """
    there = folder.exists()
    around = folder if there else folder.parent
    around.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".diemcau-", dir=around))
    moved: list[Path] = []
    try:
        _write_papers(draft, texts)
        if there:
            moved.extend(one.rename(folder / one.name) for one in list(draft.iterdir()))
            draft.rmdir()
        else:
            draft.rename(folder)
    except BaseException:
        for one in moved:
            one.rename(draft / one.name)
        shutil.rmtree(draft, ignore_errors=True)
        raise
    with suppress(PermissionError):  # it may be another's, who lets us write there
        folder.chmod(_OPEN_FOLDER)


def _write_papers(folder: Path, texts: Mapping[str, Paper]) -> None:
    for name, paper in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if paper.secret:
            path.parent.chmod(_PRIVATE_FOLDER)
        mode = _PRIVATE_FILE if paper.secret else _FILE
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(paper.text)
    _give_to_broker(folder / "broker")


def _give_to_broker(folder: Path) -> None:
    """Started by root, Mosquitto becomes this user before it reads its files."""
    if os.name != "posix" or os.geteuid() != 0:
        return
    with suppress(LookupError):
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, _BROKER_USER, _BROKER_USER)
