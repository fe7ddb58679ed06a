"""The folder of the agent's state: it must take files, and one agent at a time keeps it."""

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

from diemcau_agent.config import AgentConfig
from diemcau_agent.errors import StateDirectoryError
from diemcau_contract.causes import Text
from diemcau_contract.mistakes import unwritable_text

LOCK_NAME: Final = "agent.lock"
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})
"""What a disk comes to: the agent runs on and reports it, and its outbox waits in memory."""


def check_state_directory(config: AgentConfig) -> None:
    """See whether the folder takes files, or can be made; leaves nothing behind.

    Raises:
        StateDirectoryError: it does not.
    """
    folder = config.state_directory
    try:
        if folder.is_file():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        nearest = next(one for one in (folder, *folder.parents) if one.exists())
        with tempfile.TemporaryFile(dir=nearest):
            """Gone at once."""
    except OSError as error:
        if error.errno not in _FULL:
            raise _unusable(config, error) from error


@contextlib.contextmanager
def held_state_directory(config: AgentConfig) -> Iterator[None]:
    """Make the folder and keep other agents out of it, until this process ends at the latest.

    Raises:
        StateDirectoryError: it takes no files, or another agent runs there.
    """
    with contextlib.ExitStack() as held:
        try:
            lock = held.enter_context(_opened_lock(config.state_directory))
        except OSError as error:
            if not _is_of_the_disk(error, config.state_directory):
                raise _unusable(config, error) from error
        else:
            if not _locked(lock):
                raise _taken(config)
        yield


def _opened_lock(folder: Path) -> IO[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    return (folder / LOCK_NAME).open("ab")


def _is_of_the_disk(error: OSError, folder: Path) -> bool:
    """Tell whether the folder was good and its disk is not: one that fails turns read-only."""
    return error.errno in _FULL or (error.errno == errno.EROFS and folder.is_dir())


if sys.platform == "win32":
    import msvcrt

    def _locked(lock: IO[bytes]) -> bool:
        """Take the lock, if it is free; the system frees it when this process is gone."""
        lock.seek(0)
        try:
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _locked(lock: IO[bytes]) -> bool:
        """Take the lock, if it is free; the system frees it when this process is gone."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # A network file system without locks: better two agents than none.
            return True
        return True


def _unusable(config: AgentConfig, error: OSError) -> StateDirectoryError:
    why, folder = unwritable_text(error), config.state_directory
    return StateDirectoryError(
        Text(
            f"không ghi được vào thư mục {folder}: {why.vi}; sửa state_directory trong "
            f"{config.file}, hoặc cho tài khoản chạy agent quyền ghi",
            f"cannot write to the directory {folder}: {why.en}; change state_directory in "
            f"{config.file}, or let the account that runs the agent write there",
        )
    )


def _taken(config: AgentConfig) -> StateDirectoryError:
    folder = config.state_directory
    return StateDirectoryError(
        Text(
            f"đã có một agent đang chạy với thư mục {folder}; dừng agent đó trước, hoặc ghi "
            f"state_directory khác trong {config.file}",
            f"another agent runs on the directory {folder}; stop it first, or name another "
            f"state_directory in {config.file}",
        )
    )
