"""The light STAMP flow to the hub, kept as the hub's settings say."""

import asyncio

from diemcau_agent.config import AgentConfig
from diemcau_contract.measurements import StampStatistics
from diemcau_contract.messages import MeasureSettings
from diemcau_line.light import LightFlow


class StampWatch:
    """Keeps one light flow, with the newest settings."""

    def __init__(self, config: AgentConfig) -> None:
        self._address = config.measure_address
        self._broker_host = config.broker.host
        self._settings: MeasureSettings | None = None
        self._flow: LightFlow | None = None

    @property
    def host(self) -> str:
        """Name or address of the hub's measuring end; the broker's host until the hub says."""
        if self._address is not None:
            return self._address[0]
        named = self._settings.host if self._settings else None
        return named or self._broker_host

    @property
    def port(self) -> int | None:
        """The hub's UDP port, None before the hub has named it."""
        if self._settings is None:
            return None
        return self._address[1] if self._address is not None else self._settings.port

    def take(self) -> StampStatistics | None:
        """Return the figures since the last call; None before the flow has begun."""
        return self._flow.snapshot().stamp if self._flow is not None else None

    async def follow(self, settings: MeasureSettings) -> None:
        """Measure with these settings from now on; the same settings change nothing."""
        if settings == self._settings and self._flow is not None:
            return
        await self.stop()
        self._settings = settings
        self._flow = LightFlow(
            self.host,
            self.port or settings.port,
            ssid=settings.ssid,
            key=bytes.fromhex(settings.key),
            packets_per_second=settings.packets_per_second,
            dscp=settings.dscp,
        )
        self._flow.start()

    async def stop(self) -> None:
        """End the flow."""
        flow, self._flow = self._flow, None
        if flow is not None:
            await asyncio.to_thread(flow.stop)
