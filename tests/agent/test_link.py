import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from diemcau_agent.boot import Boot
from diemcau_agent.config import AgentConfig, Broker
from diemcau_agent.link import Backoff, Link, _heeding_cancel
from diemcau_contract import topics
from diemcau_contract.codec import DownMessage
from diemcau_contract.errors import RejectReason
from diemcau_contract.messages import Hello
from diemcau_contract.topics import Down
from tests.agent.hubs import HUB, POINT, agent_config, running_hub, settings, until
from tests.brokers import Mosquitto, free_port
from tests.handbroker import Moment, complaints_of_a_stop, hand_broker

FAST = Backoff(base_seconds=0.01, cap_seconds=0.05)


class Listener:
    """Notes what the link says."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[DownMessage] = asyncio.Queue()
        self.ups = 0
        self.downs = 0

    def on_up(self) -> None:
        """Count."""
        self.ups += 1

    def on_down(self) -> None:
        """Count."""
        self.downs += 1

    def on_message(self, message: DownMessage) -> None:
        """Keep."""
        self.messages.put_nowait(message)


@contextlib.asynccontextmanager
async def running_link(config: AgentConfig) -> AsyncIterator[tuple[Link, Listener]]:
    """Yield a link that runs."""
    link, listener = Link(config, Boot(HUB, POINT).hello, FAST), Listener()
    task = asyncio.create_task(link.run(listener))
    try:
        yield link, listener
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until_problem(link: Link) -> str:
    """Wait for the first failure; return its sentence."""
    await until(lambda: link.problem is not None)
    assert link.problem is not None
    return link.problem.text().vi


async def test_birth_and_goodbye(broker: Mosquitto, tmp_path: Path) -> None:
    """A session begins with an online hello that counts it, a clean stop ends it with offline."""
    async with running_hub(broker.port) as hub:
        async with running_link(agent_config(tmp_path, broker.port)):
            (birth,) = await hub.wait_for(Hello)
            assert (birth.online, birth.connection) == (True, 1)
        _, goodbye = await hub.wait_for(Hello, count=2)
        assert (goodbye.online, goodbye.boot_id) == (False, birth.boot_id)


async def test_a_broker_that_comes_back_gets_a_new_session(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """After the broker's restart the link is there again, and has counted it."""
    async with running_link(agent_config(tmp_path, broker.port)) as (link, listener):
        await until(lambda: link.up)
        broker.stop()
        broker.start()
        await until(lambda: link.connections > 1 and link.up)
        assert listener.ups >= 2
        assert listener.downs >= 1
        assert link.reconnects_total >= 1


async def test_a_session_that_is_cut_is_told_in_plain_words(
    broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The broker ends the session: the log says so, without the library's code for it."""
    async with running_link(agent_config(tmp_path, broker.port)) as (link, _):
        await until(lambda: link.up)
        broker.stop()
        await until(lambda: not link.up and bool(caplog.messages))
    (first, *_) = (one.getMessage() for one in caplog.records if one.levelname == "WARNING")
    assert first == (
        f"the connection with 127.0.0.1:{broker.port} was cut: it is made again by itself; if that "
        "happens again and again, check the network cable and ask the hub to check its MQTT broker"
    )
    assert "code:" not in caplog.text


async def test_what_is_no_message_of_the_hub_is_counted(
    broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Garbage, foreign versions and unknown topics are counted, warned of once, never a crash."""
    async with (
        running_hub(broker.port) as hub,
        running_link(agent_config(tmp_path, broker.port)) as (link, listener),
    ):
        await hub.wait_for(Hello)
        for payload in (b"\xff", b"\xff", b'{"schema": "diemcau.ack/9"}', b"x" * 70_000):
            await hub.say(Down.ACK, payload)
        await hub.say(Down.SETTINGS, b'{"schema": "diemcau.settings/1"}')
        topic = f"{topics.down(HUB, POINT, Down.ACK)}s"
        await hub._client.publish(topic, b"{}", qos=1)
        await hub.say(Down.SETTINGS, settings(5))
        async with asyncio.timeout(30):
            await listener.messages.get()
        assert link.ignored == {
            RejectReason.NOT_JSON: 2,
            RejectReason.WRONG_VERSION: 1,
            RejectReason.TOO_LARGE: 1,
            RejectReason.INVALID: 1,
            RejectReason.UNKNOWN_TOPIC: 1,
        }
    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 5


async def test_a_broker_that_does_not_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody listens: one warning that says what to check, then only debug lines."""
    port = free_port()
    async with running_link(agent_config(tmp_path, port)) as (link, _):
        assert await until_problem(link) == (
            f"máy chủ 127.0.0.1 không mở cổng {port}: báo huyện kiểm tra máy chủ MQTT đã chạy chưa"
        )
        await until(lambda: len(caplog.records) >= 5)
    assert sum(record.levelno == logging.WARNING for record in caplog.records) == 1


async def test_a_name_that_is_not_known(tmp_path: Path) -> None:
    """A host name without an address names the key to check."""
    config = agent_config(tmp_path, 1, broker=Broker("no-such-host.invalid", 1883, tls=False))
    async with running_link(config) as (link, _):
        assert await until_problem(link) == (
            "không tìm thấy máy chủ no-such-host.invalid: kiểm tra broker.url trong tệp cấu hình "
            "và dây mạng"
        )


async def test_a_login_that_is_refused(broker: Mosquitto, tmp_path: Path) -> None:
    """CONNACK 5 names the keys of the login."""
    broker.stop()
    broker.settings = ("allow_anonymous false",)
    broker.start()
    async with running_link(agent_config(tmp_path, broker.port)) as (link, _):
        assert await until_problem(link) == (
            f"máy chủ 127.0.0.1:{broker.port} từ chối đăng nhập: kiểm tra broker.username và "
            "password_file trong tệp cấu hình"
        )


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_port_without_tls(broker: Mosquitto, tmp_path: Path) -> None:
    """mqtts:// to a port that speaks no TLS says so."""
    config = agent_config(tmp_path, 1, broker=Broker("127.0.0.1", broker.port, tls=True))
    async with running_link(config) as (link, _):
        text = await until_problem(link)
    assert text.startswith(f"kết nối bảo mật (TLS) với 127.0.0.1:{broker.port} thất bại (")
    gc.collect()  # the library leaves the socket of a failed handshake to the collector


@pytest.mark.parametrize("moment", [Moment.CONNECTING, Moment.UNANSWERED])
async def test_a_stop_while_it_connects_is_no_error(moment: Moment, tmp_path: Path) -> None:
    """A stop before there is a session ends the link without a word."""
    async with hand_broker() as broker:
        link = Link(agent_config(tmp_path, broker.port), Boot(HUB, POINT).hello)
        said = await complaints_of_a_stop(moment, broker, link.run(Listener()))
    assert said == []


async def test_a_swallowed_cancellation_counts() -> None:
    """A stop is heeded even where the library's wait has dropped the cancellation."""

    async def swallowing() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    task = asyncio.create_task(_heeding_cancel(swallowing()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


def test_waits_are_random_below_a_growing_cap() -> None:
    """Full jitter: never beyond base x 2^n or the cap."""
    backoff = Backoff()
    for attempt, most in ((0, 1.0), (3, 8.0), (6, 60.0), (1000, 60.0)):
        waits = [backoff.wait_seconds(attempt) for _ in range(200)]
        assert min(waits) >= 0.0
        assert max(waits) <= most
        assert max(waits) > most / 2
