"""What the HTTP side is given: the parts of a running server."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from diemcau_contract.causes import Text
from diemcau_server.config import ServerConfig
from diemcau_server.metrics import Metrics
from diemcau_server.state import Board
from diemcau_server.store import Store

if TYPE_CHECKING:
    from diemcau_server.coordinator import Coordinator

Publish = Callable[[str, bytes], Awaitable[None]]
"""``await publish(topic, payload)``: QoS 1; raises PublishError when the broker did not take it."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the server's parts work; ``sentences`` names what does not."""

    ok: bool
    broker_connected: bool
    store_ok: bool
    measuring_ok: bool
    sentences: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that handlers use; all live in one event loop."""

    config: ServerConfig
    board: Board
    store: Store
    coordinator: "Coordinator"
    metrics: Metrics
    token: str
    health: Callable[[], Health]
