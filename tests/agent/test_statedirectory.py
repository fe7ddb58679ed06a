"""The folder of the agent's state: what is said of one that cannot be, and of a second agent."""

import errno
import os
import signal
import sys
from pathlib import Path

import pytest

from diemcau_agent.__main__ import main
from diemcau_agent.config import load_config
from diemcau_agent.statedirectory import LOCK_NAME, held_state_directory
from diemcau_contract.messages import Report
from tests.agent.hubs import running_hub
from tests.agent.processes import agent_process, command, write_config
from tests.brokers import Mosquitto
from tests.privileges import run_bound_by_modes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")


def config_on(folder: Path, state: Path) -> Path:
    """Write an agent's file with this state directory."""
    file = write_config(folder, 9)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("state_directory: state", f"state_directory: {state}"), "utf-8")
    return file


def unusable(language: str, file: Path, state: Path, why: str) -> str:
    """Return what is said of a folder that takes no files."""
    return {
        "vi": f"lỗi: không ghi được vào thư mục {state}: {why}; sửa state_directory trong {file}, "
        "hoặc cho tài khoản chạy agent quyền ghi\n",
        "en": f"error: cannot write to the directory {state}: {why}; change state_directory in "
        f"{file}, or let the account that runs the agent write there\n",
    }[language]


@pytest.mark.parametrize(
    ("state", "language", "why"),
    [
        ("/proc/x", "vi", "không tạo được ở đây"),
        ("/proc/x", "en", "No such file or directory"),
        ("agent.yaml", "vi", "đây là một tệp"),
        ("agent.yaml", "en", "File exists"),
        ("agent.yaml/x", "vi", "đường dẫn đi qua một tệp"),
        ("agent.yaml/x", "en", "Not a directory"),
    ],
)
@pytest.mark.parametrize("more", [["--log", "text"], ["--check-only"]])
def test_a_folder_that_cannot_be_ends_the_agent(
    more: list[str],
    state: str,
    language: str,
    why: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is told at the start, not found out by reports that are lost; exit code 2."""
    file = config_on(tmp_path, tmp_path / state)
    with pytest.raises(SystemExit) as left:
        main(["run", "--config", str(file), "--lang", language, *more])

    assert left.value.code == 2
    assert capsys.readouterr() == ("", unusable(language, file, tmp_path / state, why))


@pytest.mark.parametrize(
    ("language", "why"), [("vi", "không có quyền ghi"), ("en", "Permission denied")]
)
@pytest.mark.parametrize("more", [["--log", "text"], ["--check-only"]])
def test_a_folder_closed_to_the_agent_ends_it(
    more: list[str], language: str, why: str, tmp_path: Path
) -> None:
    """The account that runs the agent must be able to write there; exit code 2."""
    state = tmp_path / "state"
    state.mkdir(mode=0o500)
    file = config_on(tmp_path, state)
    ended = run_bound_by_modes(
        "diemcau_agent", "run", "--config", str(file), "--lang", language, *more
    )
    assert ended == (2, "", unusable(language, file, state, why))


def test_check_only_leaves_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It tries the folder, and makes neither it nor a file."""
    file = config_on(tmp_path, tmp_path / "a" / "b")
    with pytest.raises(SystemExit) as left:
        main(["run", "--config", str(file), "--lang", "vi", "--check-only"])

    assert (left.value.code, capsys.readouterr().out) == (0, "cấu hình hợp lệ\n")
    assert list(tmp_path.iterdir()) == [file]


async def test_a_second_agent_on_the_folder_is_refused(broker: Mosquitto, tmp_path: Path) -> None:
    """It says so and ends with 2; a killed agent's lock holds up nobody."""
    config = write_config(tmp_path, broker.port)
    state = tmp_path / "state"
    told = {
        "vi": f"lỗi: đã có một agent đang chạy với thư mục {state}; dừng agent đó trước, hoặc ghi "
        f"state_directory khác trong {config}\n",
        "en": f"error: another agent runs on the directory {state}; stop it first, or name another "
        f"state_directory in {config}\n",
    }
    async with running_hub(broker.port) as hub:
        async with agent_process(config) as agent:
            await hub.wait_for(Report)
            for language, said in told.items():
                second = await command(
                    "run", "--log", "text", "--config", str(config), "--lang", language
                )
                assert (second.returncode, second.stdout, second.stderr) == (2, "", said)
            await agent.end(signal.SIGKILL)
        assert (state / LOCK_NAME).exists()
        with held_state_directory(load_config(config)):
            """Free again, although the file is still there."""


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_does_not_keep_the_agent_from_its_start(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A room whose disk is full or broken is reported by its agent, which must run for that."""
    config = load_config(config_on(tmp_path, tmp_path / "state"))
    config.state_directory.mkdir()

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", fail)
    with held_state_directory(config):
        """It runs, without a lock."""
