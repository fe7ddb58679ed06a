"""Writes a district's files, all or none, and says how to start them."""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from diemcau_contract.errors import DocumentError
from diemcau_server.cli.failure import CommandError, ExitCode
from diemcau_server.cli.language import Speech
from diemcau_server.district.names import Names, load_names
from diemcau_server.district.papers import Paper, Programs, papers

_PRIVATE_FILE = 0o600
_FILE = 0o644
_PRIVATE_FOLDER = 0o700
_OPEN_FOLDER = 0o755
_BROKER_USER = "mosquitto"


def write_district(file: Path, folder: Path, say: Speech) -> list[str]:
    """Write all files into ``folder`` and return what to tell the user.

    Raises:
        CommandError: the file of names is wrong, or the folder is not empty or cannot be written.
    """
    try:
        names = load_names(file)
    except DocumentError as error:
        lines = [f"  {one.in_language(say.language)}" for one in error.problems]
        sentence = say("The file of names cannot be used:") + "\n" + "\n".join(lines)
        raise CommandError(sentence, ExitCode.USAGE) from error
    target = folder.absolute()
    _refuse_used(target, say)
    told = list(_told(names, target, say))
    texts = papers(names, target, _programs())
    texts["README.txt"] = Paper("\n".join(told) + "\n")
    try:
        _write_all(target, texts)
    except OSError as error:
        reason = error.strerror or str(error)
        sentence = say("{folder} cannot be written: {reason}.", folder=target, reason=reason)
        raise CommandError(sentence, ExitCode.USAGE) from error
    return told


def _refuse_used(folder: Path, say: Speech) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists() or folder.is_symlink():
        sentence = say("{folder} is not an empty folder: nothing was written.", folder=folder)
        raise CommandError(sentence, ExitCode.USAGE)


def _write_all(folder: Path, texts: Mapping[str, Paper]) -> None:
    """Write beside the folder, then put it into its place: it is whole or not there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, paper in texts.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if paper.secret:
                path.parent.chmod(_PRIVATE_FOLDER)
            mode = _PRIVATE_FILE if paper.secret else _FILE
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as stream:
                stream.write(paper.text)
        _give_to_broker(draft / "broker")
        draft.chmod(_OPEN_FOLDER)
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _give_to_broker(folder: Path) -> None:
    """Started by root, Mosquitto becomes this user before it reads its files."""
    if os.name != "posix" or os.geteuid() != 0:
        return
    with suppress(LookupError):
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, _BROKER_USER, _BROKER_USER)


def _programs() -> Programs:
    return Programs(_program("diemcau-server"), _program("diemcau-agent"), _program("mosquitto"))


def _program(name: str) -> str:
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else _found(name)
    return found or f"/usr/sbin/{name}"


def _found(name: str) -> str | None:
    # Debian keeps daemons out of a user's PATH.
    return shutil.which(name) or shutil.which(name, path="/usr/local/sbin:/usr/sbin:/sbin")


def _shown(name: str) -> str:
    return name if shutil.which(name) else shlex.quote(_program(name))


def _told(names: Names, folder: Path, say: Speech) -> Iterator[str]:
    """Say what was written and the commands that start it, each on a line of its own."""
    home = shlex.quote(str(folder))
    server = f"{home}/server/server.yaml"
    count = len(names.points)
    yield say("The files of {hub} are in {folder} ({count} points).",
              hub=names.hub.name, folder=folder, count=count)  # fmt: skip
    yield ""
    yield say("Start the broker, then the server, and look whether all is well:")
    yield f"    cd {home}/broker && {_shown('mosquitto')} -c mosquitto.conf"
    yield f"    {_shown('diemcau-server')} run --config {server}"
    yield f"    {_shown('diemcau')} doctor --config {server}"
    yield ""
    yield say(
        "Copy each folder of agents/ to its room's PC (it holds that room's password); there:"
    )
    for point in names.points:
        yield f"    {_shown('diemcau-agent')} run --config {home}/agents/{point.id}/agent.yaml"
    yield ""
    yield say("To have broker and server start with this machine (systemd):")
    yield "    sudo useradd --system --no-create-home --shell /usr/sbin/nologin diemcau"
    yield f"    sudo chown -R diemcau: {home}/server && sudo chown -R mosquitto: {home}/broker"
    yield f"    sudo install -m 644 {home}/systemd/*.service /etc/systemd/system/"
    yield "    sudo systemctl daemon-reload"
    yield "    sudo systemctl enable --now diemcau-broker diemcau-server"
    yield ""
    yield say("Test all rooms:")
    yield (f"    {_shown('diemcau')} test-line --server http://127.0.0.1:{names.ports.http}"
           f" --token-file {home}/server/token")  # fmt: skip
