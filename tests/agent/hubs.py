"""A hub's side of the broker for the agent's tests: hears one point, says what a test wants."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import aiomqtt
from pydantic import BaseModel

from diemcau_agent.config import AgentConfig, Broker
from diemcau_agent.devices import ExpectedDevice
from diemcau_contract import topics
from diemcau_contract.codec import decode_up, encode
from diemcau_contract.messages import (
    Ack,
    MeasureSettings,
    Report,
    Settings,
    TestOpen,
)
from diemcau_contract.plans import TrafficPlan
from diemcau_contract.topics import Down

if TYPE_CHECKING:
    from diemcau_contract.codec import UpMessage

Message = TypeVar("Message", bound=BaseModel)
PATIENCE_SECONDS = 30.0
"""A limit for tests that hang, not a figure."""

HUB, POINT = "bu-dang", "bom-bo"


class Hub:
    """What the server's link is to an agent; acknowledges reports while ``acknowledges``."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.acknowledges = True
        self.heard: list[UpMessage] = []
        self._news = asyncio.Condition()

    async def listen(self) -> None:
        """Hear the point until cancelled."""
        async for message in self._client.messages:
            topic = topics.parse_up(str(message.topic))
            assert isinstance(message.payload, bytes)
            heard = decode_up(topic, message.payload)
            async with self._news:
                self.heard.append(heard)
                self._news.notify_all()
            if isinstance(heard, Report) and self.acknowledges:
                await self.acknowledge(heard)

    async def acknowledge(self, report: Report) -> None:
        """Say that the report is stored."""
        ranges = ((report.seq, report.seq),)
        await self.say(Down.ACK, Ack(boot_id=report.boot_id, ranges=ranges))

    async def say(self, kind: Down, message: BaseModel | bytes) -> None:
        """Publish to the point."""
        payload = message if isinstance(message, bytes) else encode(message)
        await self._client.publish(topics.down(HUB, POINT, kind), payload, qos=1)

    async def wait_for(
        self, kind: type[Message], fits: Callable[[Message], bool] = lambda _: True, count: int = 1
    ) -> list[Message]:
        """Wait until ``count`` messages that fit have come; return them."""

        def found() -> list[Message]:
            return [one for one in self.heard if isinstance(one, kind) and fits(one)]

        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: len(found()) >= count)
        return found()


@contextlib.asynccontextmanager
async def running_hub(port: int) -> AsyncIterator[Hub]:
    """Yield a hub that listens."""
    async with aiomqtt.Client("127.0.0.1", port, identifier="hub") as client:
        await client.subscribe(topics.all_up(), qos=1)
        hub = Hub(client)
        listening = asyncio.create_task(hub.listen())
        try:
            yield hub
        finally:
            # Again and again: the library's publish may swallow a cancellation (Python < 3.12).
            while not listening.done():
                listening.cancel()
                await asyncio.wait([listening], timeout=1)


async def until(holds: Callable[[], bool]) -> None:
    """Wait until ``holds`` says True."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110  # what is waited for has no event to offer
            await asyncio.sleep(0.01)


def agent_config(folder: Path, port: int, *devices: ExpectedDevice, **changes: Any) -> AgentConfig:
    """Return an agent's settings for a broker on loopback."""
    content: dict[str, Any] = {
        "file": folder / "agent.yaml",
        "hub": HUB,
        "point": POINT,
        "broker": Broker("127.0.0.1", port, tls=False),
        "state_directory": folder / "state",
        "language": "vi",
        "measure_address": None,
        "opening_allowed": True,
        "devices": devices,
    }
    return AgentConfig(**(content | changes))


def measure_settings(port: int) -> MeasureSettings:
    """Return settings of a light flow to a port of loopback."""
    return MeasureSettings(
        host="127.0.0.1", port=port, ssid=7, key="ab" * 32, packets_per_second=50, dscp=34
    )


def settings(interval_seconds: float, measure: MeasureSettings | None = None) -> Settings:
    """Return what the server says after a hello."""
    return Settings(
        report_interval_seconds=interval_seconds,
        server_time=datetime.now(UTC),
        measure=measure,
    )


def invitation(test: str, port: int, **changes: Any) -> TestOpen:
    """Return an invitation to a test at a port of loopback."""
    plan = TrafficPlan(
        audio_bits_per_second=64_000, video_bits_per_second=200_000, frames_per_second=30
    )
    content: dict[str, Any] = {
        "test": test,
        "expires_in_seconds": 60,
        "asked_by": "test",
        "measure": measure_settings(port),
        "ticket": "x.y",
        "flow": 1,
        "flow_secret": "cd" * 16,
        "up": plan,
        "down": plan,
    }
    return TestOpen(**(content | changes))
