"""A broker inside the server, for a first try, the demo and tests: loopback only.

amqtt neither isolates clients nor keeps messages for them, so it never listens to a network.
"""

import asyncio
import logging
import socket
from ipaddress import ip_address
from typing import TYPE_CHECKING

from diemcau_contract.causes import Text
from diemcau_server.errors import BrokerError
from diemcau_server.listening import why_not_listening

if TYPE_CHECKING:
    from amqtt.broker import Broker

_MAX_CONNECTIONS = 1000
_STOP_SECONDS = 3.0
_LOG = logging.getLogger(__name__)


class EmbeddedBroker:
    """An MQTT 3.1.1 broker on the loopback address; ``port`` 0 takes a free one."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        if not ip_address(host).is_loopback:
            message = Text(
                f"broker kèm theo chỉ mở trên địa chỉ nội bộ, không phải {host}",
                f"the embedded broker listens on loopback only, not on {host}",
            )
            raise BrokerError(message)
        self._host = host
        self._port = port
        self._broker: Broker | None = None

    @property
    def url(self) -> str:
        """Where it listens, once it has started."""
        return f"mqtt://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen.

        Raises:
            BrokerError: the port is taken, or amqtt is not installed.
        """
        try:
            from amqtt.broker import Broker  # noqa: PLC0415  # 0.3 s of import, rarely wanted
            from amqtt.errors import AMQTTError  # noqa: PLC0415
        except ModuleNotFoundError as error:
            message = Text(
                "broker kèm theo cần diemcau[server] với amqtt",
                "the embedded broker needs diemcau[server] with amqtt",
            )
            raise BrokerError(message) from error
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._port = _free_port(self._host, self._port)
        self._broker = Broker(_settings(self._host, self._port))
        try:
            await self._broker.start()
        except (AMQTTError, OSError) as error:
            self._broker = None
            message = Text(
                f"broker kèm theo không mở được cổng {self._host}:{self._port}: {error}",
                f"the embedded broker cannot listen on {self._host}:{self._port}: {error}",
            )
            raise BrokerError(message) from error

    async def stop(self) -> None:
        """End every session and stop listening."""
        broker, self._broker = self._broker, None
        if broker is None:
            return
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await broker.shutdown()
        except TimeoutError:
            # amqtt waits for ever for a session that was just beginning, which waits for it.
            _LOG.warning("the embedded broker did not stop within %.0f s", _STOP_SECONDS)


def _settings(host: str, port: int) -> dict[str, object]:
    return {
        "listeners": {
            "default": {
                "type": "tcp",
                "bind": f"{host}:{port}",
                "max_connections": _MAX_CONNECTIONS,
            }
        },
        "plugins": {
            "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
        },
    }


def _free_port(host: str, port: int) -> int:
    """Return ``port``, or a free one for 0; a port that is taken is told here, in one sentence."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = why_not_listening(error.errno or 0, "broker")
            message = Text(
                f"broker kèm theo không mở được cổng {host}:{port}: {why.vi}",
                f"the embedded broker cannot listen on {host}:{port}: {why.en}",
            )
            raise BrokerError(message) from error
        return int(probe.getsockname()[1])
