"""``diemcau-agent run --log-file``: where a PC has no terminal and no journal."""

import json
import signal
import sys
from pathlib import Path

import pytest

from diemcau_contract.messages import Report
from tests.agent.hubs import running_hub
from tests.agent.processes import agent_process, command, write_config
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
