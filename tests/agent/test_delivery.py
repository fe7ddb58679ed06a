import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from diemcau_agent.app import Agent
from diemcau_agent.delivery import Pace
from diemcau_agent.link import Backoff
from diemcau_agent.outbox import Outbox
from diemcau_agent.outbox import Report as OutboxReport
from diemcau_contract.codec import encode
from diemcau_contract.messages import Ack, RejectedReport, Report
from diemcau_contract.topics import Down
from tests.agent.hubs import agent_config, running_hub, settings, until
from tests.brokers import Mosquitto

FAST = Backoff(base_seconds=0.01, cap_seconds=0.05)
OLD_BOOT = "f" * 16


@contextlib.asynccontextmanager
async def running_agent(folder: Path, port: int, pace: Pace) -> AsyncIterator[Agent]:
    """Yield an agent that runs in this process."""
    stop = asyncio.Event()
    agent = Agent(agent_config(folder, port), FAST, pace)
    task = asyncio.create_task(agent.run(stop))
    try:
        yield agent
    finally:
        stop.set()
        await task


async def until_empty(agent: Agent) -> None:
    """Wait until the outbox holds nothing."""
    await until(lambda: not agent.outbox.state().messages)


async def test_a_report_leaves_on_the_servers_word_only(broker: Mosquitto, tmp_path: Path) -> None:
    """An unacknowledged report is sent again until the acknowledgement has come.

    On a busy PC a second report tells of the devices, whose look took longer than the first one.
    """
    async with running_hub(broker.port) as hub:
        hub.acknowledges = False
        async with running_agent(tmp_path, broker.port, Pace(resend_seconds=0.05)) as agent:
            seen = await hub.wait_for(Report, count=5)
            distinct = {(one.boot_id, one.seq): one for one in seen}
            assert len(distinct) < len(seen)
            assert agent.outbox.state().messages == len(distinct)
            hub.acknowledges = True  # of what may follow
            for one in distinct.values():
                await hub.acknowledge(one)
            await until_empty(agent)


async def test_a_rejected_report_is_not_sent_again(broker: Mosquitto, tmp_path: Path) -> None:
    """What the server has kept aside leaves the outbox as well."""
    async with running_hub(broker.port) as hub:
        hub.acknowledges = False
        async with running_agent(tmp_path, broker.port, Pace()) as agent:
            (report,) = await hub.wait_for(Report)
            rejected = RejectedReport(seq=report.seq, reason="unknown_point")
            hub.acknowledges = True  # of what may follow; a second copy would be seen
            await hub.say(Down.ACK, Ack(boot_id=report.boot_id, rejected=(rejected,)))
            await until_empty(agent)
            copies = [one for one in hub.heard if isinstance(one, Report) and one.seq == report.seq]
            assert len(copies) == 1


async def test_the_backlog_follows_the_live_report(broker: Mosquitto, tmp_path: Path) -> None:
    """Reports of an earlier start are sent too, the newest first, after the live one."""
    await leave_backlog(broker, tmp_path, count=5)
    async with (
        running_hub(broker.port) as hub,
        running_agent(tmp_path, broker.port, Pace(reports_per_second=1000)) as agent,
    ):
        reports = await hub.wait_for(Report, count=6)
        own = agent.boot.boot_id
        old = [report.seq for report in reports if report.boot_id == OLD_BOOT]
        assert old == [5, 4, 3, 2, 1]
        assert [report.seq for report in reports if report.boot_id == own] == [1]
        await until_empty(agent)


async def test_the_interval_is_the_hubs(broker: Mosquitto, tmp_path: Path) -> None:
    """Settings change the interval at once; numbers go on without a gap."""
    async with (
        running_hub(broker.port) as hub,
        running_agent(tmp_path, broker.port, Pace()) as agent,
    ):
        await hub.wait_for(Report)
        await hub.say(Down.SETTINGS, settings(1))
        reports = await hub.wait_for(Report, count=3)
        # The newest goes first: on a busy machine two may wait, and come the other way round.
        assert sorted(report.seq for report in reports) == [1, 2, 3]
        assert max(reports, key=lambda report: report.seq).interval_seconds == 1
        await until_empty(agent)


async def leave_backlog(broker: Mosquitto, folder: Path, count: int) -> None:
    """Put reports of an earlier boot into the outbox."""
    async with (
        running_hub(broker.port) as hub,
        running_agent(folder / "other", broker.port, Pace()),
    ):
        (pattern,) = await hub.wait_for(Report)
    outbox = Outbox(folder / "state")
    for seq in range(1, count + 1):
        old = pattern.model_copy(update={"boot_id": OLD_BOOT, "seq": seq})
        outbox.add(OutboxReport(OLD_BOOT, seq, outbox._now(), encode(old)))
    outbox.close()
