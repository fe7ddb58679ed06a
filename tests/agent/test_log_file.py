"""``diemcau-agent run --log-file``: where a PC has no terminal and no journal."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from diemcau_agent.config import load_config
from diemcau_agent.statedirectory import held_state_directory
from diemcau_contract.messages import Report
from tests.agent.hubs import running_hub
from tests.agent.processes import ENVIRONMENT, START, agent_process, command, write_config
from tests.brokers import Mosquitto

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


async def test_the_log_goes_to_the_file_as_json(broker: Mosquitto, tmp_path: Path) -> None:
    """From the first event, which names the point, to the last; nothing on standard error."""
    file = tmp_path / "events.log"
    config = write_config(tmp_path, broker.port)
    more = ("--log-file", str(file))
    async with running_hub(broker.port) as hub, agent_process(config, more=more) as agent:
        await hub.wait_for(Report)
        assert await agent.end(signal.SIGTERM) == 0
    first, *_, last = map(json.loads, file.read_text(encoding="utf-8").splitlines())

    assert first["message"].endswith(": bu-dang/bom-bo")
    assert (last["level"], last["message"]) == ("info", "stopped")
    assert agent.log.read_text(encoding="utf-8") == ""


async def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """One sentence, exit code 2, no trace."""
    file = tmp_path / "none" / "agent.log"
    config = write_config(tmp_path, 1)
    told = await command("run", "--config", str(config), "--log-file", str(file), "--lang", "vi")

    assert told.returncode == 2
    assert told.stderr.startswith(f"lỗi: không ghi được nhật ký {file}: ")
    assert "Traceback" not in told.stderr


def unseen(config: Path, file: Path) -> tuple[int, list[dict[str, str]]]:
    """Run an agent that has no standard error, as pythonw.exe; return exit code and its file."""
    program = "import os, sys; os.close(2); os.execv(sys.argv[1], sys.argv[1:])"
    run = ("run", "--config", str(config), "--log-file", str(file), "--lang", "vi")
    ended = subprocess.run(
        [sys.executable, "-c", program, *START, *run], stdout=subprocess.PIPE, env=ENVIRONMENT,
        timeout=60, check=False,
    )  # fmt: skip
    assert ended.stdout == b""
    return ended.returncode, [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("login", "line", "said"),
    [
        ("", "surprise: 1\nmore: 2\n",
         "the configuration has 2 problems: {config}:6: surprise: unknown key; "),
        (", username: bom-bo, password_file: none", "",
         "the configuration has 1 problem: {config}:4: broker.password_file: "),
    ],
)  # fmt: skip
def test_a_file_with_mistakes_is_told_where_nobody_watches(
    login: str, line: str, said: str, tmp_path: Path
) -> None:
    """All of them in one event of the file: the task of Windows shows no sentence."""
    config = write_config(tmp_path, 1, line, login)
    code, (event,) = unseen(config, tmp_path / "agent.log")

    assert (code, event["level"]) == (2, "error")
    assert event["message"].startswith(f"the agent cannot run: {said}".format(config=config))
    assert "\n" not in event["message"]


def test_a_second_agent_is_told_where_nobody_watches(tmp_path: Path) -> None:
    """The same for what is found out after the file was read."""
    config = write_config(tmp_path, 1)
    with held_state_directory(load_config(config)):
        code, (event,) = unseen(config, tmp_path / "agent.log")

    assert (code, event["level"]) == (2, "error")
    assert event["message"].startswith("the agent cannot run: another agent runs on the directory ")


def test_the_sentence_is_still_shown_to_who_starts_it_by_hand(tmp_path: Path) -> None:
    """With a log file it stands at the terminal as well, in the language asked for."""
    config = write_config(tmp_path, 1, "surprise: 1\n")
    file = tmp_path / "agent.log"
    told = subprocess.run(
        [*START, "run", "--config", str(config), "--log-file", str(file), "--lang", "vi"],
        capture_output=True, encoding="utf-8", env=ENVIRONMENT, timeout=60, check=False,
    )  # fmt: skip

    assert told.stderr.startswith("lỗi: tệp cấu hình có 1 lỗi:\n  ")
    assert len(file.read_text("utf-8").splitlines()) == 1


FAULT = """
import sys
import diemcau_agent.app
from diemcau_agent.__main__ import main

def run_agent(config):
    raise ZeroDivisionError("of the test")

diemcau_agent.app.run_agent = run_agent
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("more", "journal", "first"),
    [
        (("--log", "json"), "", '{"time": '),
        ((), "8:1", "<3>diemcau_agent.__main__: fault of the program: "),
        (("--log", "text"), "", "fault of the program: ZeroDivisionError: of the test. Run it "),
    ],
)
def test_a_fault_of_ours_is_an_event_with_its_trace_where_nobody_watches(
    more: tuple[str, ...], journal: str, first: str, tmp_path: Path
) -> None:
    """One event for programs and the journal, one sentence for people; never both."""
    arguments = ("run", "--config", str(write_config(tmp_path, 1)), "--lang", "en", *more)
    ended = subprocess.run(
        [sys.executable, "-c", FAULT, *arguments], capture_output=True, encoding="utf-8",
        env=ENVIRONMENT | ({"JOURNAL_STREAM": journal} if journal else {}), timeout=60,
        check=False,
    )  # fmt: skip
    lines = ended.stderr.splitlines()

    assert (ended.returncode, ended.stdout) == (1, "")
    assert lines[0].startswith(first)
    if journal:
        assert len(lines) > 1
        assert all(line.startswith("<3>") for line in lines)
    else:
        assert len(lines) == 1
        assert ("trace" in lines[0]) == ("json" in more)
