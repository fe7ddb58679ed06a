import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from diemcau_agent.outbox import Outbox
from diemcau_contract.messages import Hello, Report
from diemcau_contract.topics import Down
from tests.agent.hubs import measure_settings, running_hub, settings
from tests.agent.processes import agent_process, command, write_config
from tests.brokers import Mosquitto

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
RESIDENT_MOST_BYTES = 55 * 1024 * 1024
HEAVY = ("av", "numpy", "sounddevice", "rich", "typer", "aiohttp", "pulsectl", "sqlalchemy")


async def test_kill_9_loses_no_report(broker: Mosquitto, tmp_path: Path) -> None:
    """The report of a killed agent is sent by its next start, under its old number."""
    config = write_config(tmp_path, broker.port)
    async with running_hub(broker.port) as hub:
        hub.acknowledges = False
        async with agent_process(config) as agent:
            (lost,) = await hub.wait_for(Report)
            await agent.end(signal.SIGKILL)
        _, will = await hub.wait_for(Hello, count=2)
        assert (will.online, will.boot_id) == (False, lost.boot_id)
        outbox = Outbox(tmp_path / "state")
        assert [report.key for report in outbox.pick((), 9)] == [(lost.boot_id, lost.seq)]
        outbox.close()
        hub.acknowledges = True
        async with agent_process(config):
            again = await hub.wait_for(Report, lambda one: one.boot_id == lost.boot_id, count=2)
            assert again[1] == lost


def test_a_kill_between_keeping_and_sending(tmp_path: Path) -> None:
    """A report that was kept is on the disk, whatever happens to the process right after."""
    program = (
        "import os, signal, sys, time; from pathlib import Path;"
        "from diemcau_agent.outbox import Outbox, Report;"
        "outbox = Outbox(Path(sys.argv[1])); outbox.add(Report('ab' * 8, 1, time.time(), b'x'));"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    outbox = Outbox(tmp_path)
    assert [report.key for report in outbox.pick((), 9)] == [("ab" * 8, 1)]
    outbox.close()


async def test_a_clean_stop_says_goodbye(broker: Mosquitto, tmp_path: Path) -> None:
    """SIGTERM: an offline hello, exit code 0, no traceback, and status says it does not run."""
    config = write_config(tmp_path, broker.port)
    async with running_hub(broker.port) as hub, agent_process(config) as agent:
        await hub.wait_for(Report)
        assert await agent.end(signal.SIGTERM) == 0
        _, goodbye = await hub.wait_for(Hello, count=2)
        assert not goodbye.online
        assert "Traceback" not in agent.log.read_text(encoding="utf-8")
    told = await command("status", "--config", str(config))
    assert told.returncode == 3
    assert "phần mềm diemcau chưa chạy" in told.stdout


async def test_systemd_hears_that_it_is_ready_lives_and_stops(tmp_path: Path) -> None:
    """Ready without a hub, too: a line that is down is no reason to start an agent anew."""
    config = write_config(tmp_path, 1)
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        before = ("env", f"NOTIFY_SOCKET={tmp_path / 'notify'}", "WATCHDOG_USEC=600000000")
        async with agent_process(config, before) as agent:
            said = [await asyncio.to_thread(systemd.recv, 100) for _ in range(2)]
            assert await agent.end(signal.SIGTERM) == 0
        said.append(await asyncio.to_thread(systemd.recv, 100))

    assert said == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


async def test_an_agent_at_rest_is_small(broker: Mosquitto, tmp_path: Path) -> None:
    """At most 55 MB resident with its light flow and reports."""
    async with (
        running_hub(broker.port) as hub,
        agent_process(write_config(tmp_path, broker.port)) as agent,
    ):
        await hub.wait_for(Report)
        await hub.say(Down.SETTINGS, settings(1, measure_settings(9)))
        await hub.wait_for(Report, count=4)
        assert psutil.Process(agent.process.pid).memory_info().rss <= RESIDENT_MOST_BYTES


def test_nothing_heavy_is_imported_at_rest() -> None:
    """Audio, video and the server's libraries stay out of the resident process."""
    program = "import sys, diemcau_agent.__main__, diemcau_agent.app; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not set(HEAVY) & set(ran.stdout.split())
