"""What staff is told of each fault around an agent: the very sentence and the exit code."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from diemcau_agent.statusfile import FILE_NAME, AgentStatus, read_status
from diemcau_contract.measurements import StampStatistics
from diemcau_contract.messages import Hello, Report
from diemcau_contract.topics import Down
from tests.agent.hubs import measure_settings, running_hub, settings, until
from tests.agent.processes import AgentProcess, agent_process, command, write_config
from tests.brokers import Mosquitto, free_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and mounts")
NOT_READY = {"vi": "bu-dang/bom-bo: CHƯA SẴN SÀNG", "en": "bu-dang/bom-bo: NOT READY"}
NOT_RUNNING = {
    "vi": [
        "bu-dang/bom-bo: CHƯA RÕ",
        "phần mềm diemcau chưa chạy: bật lại máy tính, hoặc gọi kỹ thuật viên của huyện.",
    ],
    "en": [
        "bu-dang/bom-bo: UNKNOWN",
        "the agent does not run: restart the PC, or phone the hub's technician.",
    ],
}
BAD = {"vi": "LỖI", "en": "BAD"}
LINK = {
    "vi": ("Kết nối với huyện", "Kiểm tra dây mạng và bộ chuyển đổi; nếu vẫn vậy, gọi kỹ thuật "
           "viên của huyện."),
    "en": ("Contact with the hub", "Check the network cable and the converter; if it stays, phone "
           "the hub's technician."),
}  # fmt: skip
LANGUAGES = ("vi", "en")


async def says_bad(
    config: Path, language: str, row: tuple[str, str, str], before: Sequence[str] = ()
) -> None:
    """Check name, sentence and first action of a bad row, and the verdict, of ``status``."""
    told = await command("status", "--config", str(config), "--lang", language, before=before)
    name, sentence, todo = row
    lines = told.stdout.splitlines()
    assert (told.returncode, told.stderr, lines[0]) == (1, "", NOT_READY[language])
    assert [name, BAD[language], sentence] in [
        [part.strip() for part in line.strip().split("  ") if part] for line in lines
    ], told.stdout
    assert any(line.lstrip(" 0123456789.") == todo for line in lines), told.stdout


async def until_left(folder: Path, fits: Callable[[AgentStatus], bool]) -> AgentStatus:
    """Wait until the agent has left a status that fits; return it."""
    found: list[AgentStatus] = []

    def look() -> bool:
        status = read_status(folder)
        found[:] = [status] if status is not None and fits(status) else []
        return bool(found)

    await until(look)
    return found[0]


async def test_a_broker_that_does_not_run(tmp_path: Path) -> None:
    """Status and log name host and port; the agent goes on trying, and ends clean."""
    port = free_port()
    config = write_config(tmp_path, port)
    sentences = {
        "vi": f"máy chủ 127.0.0.1 không mở cổng {port}: báo huyện kiểm tra máy chủ MQTT đã chạy "
        "chưa",
        "en": f"127.0.0.1 does not listen on port {port}: ask the hub whether its MQTT broker runs",
    }
    async with agent_process(config) as agent:
        await until((tmp_path / "state" / FILE_NAME).exists)
        for language in LANGUAGES:
            name, todo = LINK[language]
            await says_bad(config, language, (name, sentences[language], todo))
        assert await agent.end(signal.SIGTERM) == 0
        log = agent.log.read_text(encoding="utf-8")
    assert sentences["en"] in log
    assert "Traceback" not in log


async def test_a_login_that_the_brokers_password_file_refuses(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """A wrong password is called one, with the keys to look at; the right one is let in."""
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto_passwd is not installed")
    users, secret = tmp_path / "users", tmp_path / "password"
    made = [program, "-b", "-c", str(users), "bom-bo", "right"]
    await asyncio.to_thread(subprocess.run, made, check=True, capture_output=True)
    broker.stop()
    # As root Mosquitto would give up its rights, and could not read the file any more.
    user = ("user root",) if os.geteuid() == 0 else ()
    broker.settings = ("allow_anonymous false", f"password_file {users}", *user)
    broker.start()
    secret.touch(0o600)
    config = write_config(
        tmp_path, broker.port, login=", username: bom-bo, password_file: password"
    )
    secret.write_text("wrong\n", encoding="utf-8")
    sentences = {
        "vi": f"máy chủ 127.0.0.1:{broker.port} từ chối đăng nhập: kiểm tra broker.username và "
        "password_file trong tệp cấu hình",
        "en": f"127.0.0.1:{broker.port} refuses the login: check broker.username and password_file "
        "in the agent's file",
    }
    async with agent_process(config) as agent:
        await until((tmp_path / "state" / FILE_NAME).exists)
        for language in LANGUAGES:
            name, todo = LINK[language]
            await says_bad(config, language, (name, sentences[language], todo))
        assert await agent.end(signal.SIGTERM) == 0
        assert sentences["en"] in agent.log.read_text(encoding="utf-8")
    secret.write_text("right\n", encoding="utf-8")
    async with agent_process(config):
        await until_left(tmp_path / "state", lambda status: status.link.connected)


async def test_a_point_that_the_hub_does_not_know(broker: Mosquitto, tmp_path: Path) -> None:
    """Reports that nobody acknowledges: status and log tell to check hub and point."""
    config = write_config(tmp_path, broker.port)
    at = f"127.0.0.1:{broker.port}"
    sentences = {
        "vi": f"đã kết nối {at} nhưng máy chủ huyện không trả lời điểm cầu bu-dang/bom-bo: kiểm "
        "tra hub và point trong tệp cấu hình; nếu đúng, báo huyện xem diemcau-server có đang chạy "
        "và có điểm cầu này trong cấu hình không",
        "en": f"connected to {at}, but the hub's server does not answer the point bu-dang/bom-bo: "
        "check hub and point in the agent's file; if they are right, ask the hub whether "
        "diemcau-server runs and has this point in its configuration",
    }
    async with running_hub(broker.port) as hub, agent_process(config) as agent:
        hub.acknowledges = False
        await hub.wait_for(Hello)
        await hub.say(Down.SETTINGS, settings(1))
        await until_left(tmp_path / "state", lambda status: status.link.problem is not None)
        for language in LANGUAGES:
            name, todo = LINK[language]
            await says_bad(config, language, (name, sentences[language], todo))
        assert sentences["en"] in agent.log.read_text(encoding="utf-8")
        hub.acknowledges = True
        await until_left(tmp_path / "state", lambda status: status.link.connected)


FIREWALL_WHY = {
    "vi": "Lý do thường gặp: Tường lửa trên máy hoặc trên thiết bị mạng chưa mở cổng UDP.",
    "en": "Likely why: A firewall on the PC or in the network does not let the UDP port through.",
}


async def test_a_silent_port_is_called_a_firewall(broker: Mosquitto, tmp_path: Path) -> None:
    """The hub's UDP port takes packets and answers none: both commands say what to open."""
    config = write_config(tmp_path, broker.port)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        rows = {
            "vi": ("Đường truyền", "tường lửa chặn UDP",
                   f"Mở cổng UDP {port} từ máy của xã đến máy chủ huyện trên tường lửa và thiết "
                   "bị mạng."),
            "en": ("Line", "firewall blocks UDP",
                   f"Open UDP port {port} from the room's PC to the hub's server in the firewalls "
                   "between."),
        }  # fmt: skip
        async with running_hub(broker.port) as hub, agent_process(config):
            await hub.wait_for(Hello)
            await hub.say(Down.SETTINGS, settings(1, measure_settings(port)))
            reports = await hub.wait_for(Report, lambda report: sent_packets(report.line))
            assert reports[0].line is not None
            assert reports[0].line.packets_received == 0
            await until_left(
                tmp_path / "state", lambda status: sent_packets(status.line.statistics)
            )
            for language, row in rows.items():
                await says_bad(config, language, row)
                told = await command("check", "line", "--config", str(config), "--lang", language)
                assert (told.returncode, told.stdout) == (
                    1,
                    check_of(row, FIREWALL_WHY[language], language),
                )
            told = await command("status", "--config", str(config), "--json")
            line = next(row for row in json.loads(told.stdout)["rows"] if row["key"] == "line")
            assert (told.returncode, line["status"]) == (1, "bad")


def sent_packets(line: StampStatistics | None) -> bool:
    """Say whether enough packets went out to judge the line."""
    return line is not None and line.packets_sent > 3


def check_of(row: tuple[str, str, str], why: str, language: str) -> str:
    """Return what ``check`` prints of one bad row."""
    name, sentence, todo = row
    headline = {"vi": "Việc cần làm, theo thứ tự:", "en": "What to do, in this order:"}[language]
    return f"  {name}  {BAD[language]}  {sentence}\n\n{headline}\n  1. {todo}\n     {why}\n"


class FullableDisk:
    """A file system in memory, seen by one agent and by what enters its namespace."""

    SIZE = "4g"
    """More than calls for a warning; memory is taken only for what is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        mount = f'mount -t tmpfs -o size={self.SIZE} tmpfs "$0" && exec "$@"'
        self.before_agent = ["unshare", "--mount", "sh", "-c", mount, str(folder)]
        self._pid = 0

    def of(self, agent: AgentProcess) -> None:
        """Note whose disk it is."""
        self._pid = agent.process.pid

    @property
    def before_command(self) -> list[str]:
        """What lets a command see the disk."""
        return ["nsenter", "--mount", f"--target={self._pid}", "--"]

    @property
    def seen_from_here(self) -> Path:
        """The folder on it."""
        return Path(f"/proc/{self._pid}/root{self._folder}")

    def resize(self, size: int | None) -> None:
        """Give it ``size`` bytes in all, None: all that it had."""
        option = f"remount,size={self.SIZE if size is None else size}"
        mount = ["mount", "-o", option, str(self._folder)]
        subprocess.run([*self.before_command, *mount], check=True, capture_output=True)

    def fill(self) -> None:
        """Leave no room: it is now as large as what it holds."""
        while True:
            held = os.statvfs(self.seen_from_here)
            # The agent may write between the look and this, and then it is refused.
            with contextlib.suppress(subprocess.CalledProcessError):
                return self.resize((held.f_blocks - held.f_bfree) * held.f_frsize)

    def kept_reports(self) -> list[int]:
        """Return the numbers of the reports in the outbox on it."""
        # SQLite follows the link out of /proc to its own path: it must stand in the namespace.
        read = (
            "import sqlite3, sys; box = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True);"
            "print(*[seq for (seq,) in box.execute('SELECT seq FROM outbox ORDER BY seq')])"
        )
        program = [sys.executable, "-c", read, str(self._folder / "outbox.sqlite")]
        ran = subprocess.run([*self.before_command, *program], check=True, capture_output=True)
        return [int(seq) for seq in ran.stdout.split()]


@pytest.mark.root
@pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="needs root (a disk of its own)"
)
async def test_a_full_disk_loses_no_report(broker: Mosquitto, tmp_path: Path) -> None:
    """Reports wait in memory and go on being sent; log and status say it; space heals it all."""
    config = write_config(tmp_path, broker.port)
    (tmp_path / "state").mkdir()
    disk = FullableDisk(tmp_path / "state")
    async with (
        running_hub(broker.port) as hub,
        agent_process(config, disk.before_agent) as agent,
    ):
        hub.acknowledges = False
        await hub.say(Down.SETTINGS, settings(1))
        await hub.wait_for(Hello)
        await hub.say(Down.SETTINGS, settings(1))
        await hub.wait_for(Report, count=2)
        disk.of(agent)
        await asyncio.to_thread(disk.fill)
        await until_left(disk.seen_from_here, lambda status: status.outbox.in_memory > 2)
        for language, row in (
            ("vi", ("Máy tính", "ổ đĩa gần đầy", "Xóa bớt tệp trên máy tính: ổ đĩa gần đầy.")),
            ("en", ("PC", "disk almost full",
                    "Delete files on the PC: its disk is almost full.")),
        ):  # fmt: skip
            await says_bad(config, language, row, before=disk.before_command)
        made = (await until_left(disk.seen_from_here, lambda _: True)).reports
        await asyncio.to_thread(disk.resize, None)
        await until_left(disk.seen_from_here, lambda status: status.outbox.in_memory == 0)
        kept = await asyncio.to_thread(disk.kept_reports)
        assert kept == list(range(1, len(kept) + 1))
        assert len(kept) >= made
        assert await agent.end(signal.SIGTERM) == 0
        log = agent.log.read_text(encoding="utf-8")
    assert "does not take reports (database or disk is full): they wait in memory. " in log
    assert "Check free space and permissions of this disk." in log
    assert "outbox: the disk takes reports again" in log
    assert "Traceback" not in log


async def test_a_status_that_cannot_be_written(broker: Mosquitto, tmp_path: Path) -> None:
    """Reports go on; the log says once what the status command lacks, and that has no status."""
    config = write_config(tmp_path, broker.port)
    (tmp_path / "state" / FILE_NAME).mkdir(parents=True)
    async with running_hub(broker.port) as hub, agent_process(config) as agent:
        await hub.wait_for(Hello)
        await hub.say(Down.SETTINGS, settings(1))
        await hub.wait_for(Report, count=3)
        for language in LANGUAGES:
            told = await command("status", "--config", str(config), "--lang", language)
            assert (told.returncode, told.stdout.splitlines()) == (3, NOT_RUNNING[language])
        assert await agent.end(signal.SIGTERM) == 0
        log = agent.log.read_text(encoding="utf-8")
    assert log.count("status file not written, the status command knows nothing new: ") == 1
    assert "Traceback" not in log
    assert [one.name for one in (tmp_path / "state").glob("*.new")] == []
