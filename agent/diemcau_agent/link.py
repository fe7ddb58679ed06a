"""The session with the broker. The only module that knows the MQTT library.

MQTT 3.1.1, clean sessions, QoS 1: what must not be lost waits in the outbox until the server
itself has acknowledged it, so nothing here depends on what a broker keeps.
"""

import asyncio
import logging
import random
import secrets
import socket
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import aiomqtt
from aiomqtt.exceptions import MqttCodeError, MqttConnectError
from pydantic import BaseModel

from diemcau_agent.config import AgentConfig, Broker
from diemcau_agent.errors import LinkDownError
from diemcau_agent.linkfaults import LinkFault, LinkProblem
from diemcau_contract import topics
from diemcau_contract.codec import DownMessage, decode_down, encode
from diemcau_contract.errors import MessageError, RejectReason
from diemcau_contract.messages import Hello

Result = TypeVar("Result")
_log = logging.getLogger(__name__)

LOOP_FACTORY: Final = asyncio.SelectorEventLoop if sys.platform == "win32" else None
"""The MQTT library needs a loop that watches sockets; the default loop of Windows does not."""
_TCP_THIN_LINEAR_TIMEOUTS: Final = 16
"""Of linux/tcp.h; the socket module has no name for it."""
KEEPALIVE_SECONDS: Final = 20
ANSWER_SECONDS: Final = 10.0
"""How long the broker may take to answer a connect, a subscribe or a publish."""
GOODBYE_SECONDS: Final = 2.0
ARRIVAL_SECONDS: Final = 2.0
"""How long a message that must not arrive is waited for: many times the round trip of any line."""
_CONNECT_SECONDS: Final = 3.0
UNANSWERED_REPORTS: Final = 3
"""As many intervals as the server waits for a report before it calls a point silent (SPEC 3.3)."""
_FAULTS: Final[Sequence[tuple[type[BaseException], LinkFault]]] = (
    (socket.gaierror, LinkFault.UNKNOWN_HOST),
    (ConnectionRefusedError, LinkFault.NOT_LISTENING),
    (OSError, LinkFault.UNREACHABLE),
    (MqttCodeError, LinkFault.CUT),
)
"""The first that fits. The library's own code says no more than that the session has ended."""
_LOGIN_REFUSED: Final = frozenset({4, 5, 134, 135})
"""CONNACK codes of MQTT 3.1.1 section 3.2.2.3, and what the library turns them into."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: the n-th wait is random between 0 and base x 2^n, at most the cap."""

    base_seconds: float = 1.0
    cap_seconds: float = 60.0
    stable_seconds: float = 60.0
    """A session that lasted this long starts the waits anew."""

    def wait_seconds(self, attempt: int) -> float:
        """Return the wait after failure number ``attempt``, counted from 0."""
        most = min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt, 16))
        return random.uniform(0.0, most)  # noqa: S311  # spreads load, guards no secret


class LinkListener(Protocol):
    """Who hears from the link; called in the event loop, must return at once."""

    def on_up(self) -> None:
        """Say that a session has begun and its birth message is out."""

    def on_down(self) -> None:
        """Say that the session has ended."""

    def on_message(self, message: DownMessage) -> None:
        """Take a valid message of the hub."""


class Link:
    """Keeps one session with the broker for as long as ``run`` runs."""

    def __init__(
        self,
        config: AgentConfig,
        hello: Callable[[int, bool], Hello],
        backoff: Backoff | None = None,
    ) -> None:
        self._config = config
        self._hello = hello
        self._backoff = backoff or Backoff()
        self._client: aiomqtt.Client | None = None
        self._own_down = topics.all_down(config.hub, config.point).removesuffix("+")
        self._ignored: Counter[RejectReason] = Counter()
        self._warned = False
        self.connections = 0
        self.problem: LinkProblem | None = None
        """Why there is no contact with the hub, in words; None while there is."""
        self._unanswered = 0

    @property
    def up(self) -> bool:
        """Whether there is a session right now."""
        return self._client is not None

    def expect_answer(self) -> None:
        """Note that a report is due to be acknowledged; several without a word are a problem.

        A point that the server does not know is never acknowledged (SPEC 3.3), and neither the
        broker nor the session shows it.
        """
        if not self.up:
            return
        self._unanswered += 1
        if self._unanswered == UNANSWERED_REPORTS:
            point = f"{self._config.hub}/{self._config.point}"
            self._set_problem(LinkProblem(LinkFault.NO_ANSWER, self._config.broker, point))

    @property
    def reconnects_total(self) -> int:
        """Sessions after the first."""
        return max(0, self.connections - 1)

    @property
    def ignored(self) -> Mapping[RejectReason, int]:
        """Messages that were no message of the hub to this point, by reason."""
        return dict(self._ignored)

    async def run(self, listener: LinkListener) -> None:
        """Connect, listen, connect again; until cancelled, which says goodbye first."""
        loop = asyncio.get_running_loop()
        attempt = 0
        while True:
            started = loop.time()
            before = self.connections
            try:
                await self._session(listener)
            except (aiomqtt.MqttError, OSError, ValueError) as error:
                self._note(error)
            lasted = loop.time() - started
            had_session = self.connections > before
            if had_session and lasted >= self._backoff.stable_seconds:
                attempt = 0
            await asyncio.sleep(self._backoff.wait_seconds(attempt))
            attempt += 1

    async def send(self, kind: topics.Up, message: BaseModel) -> None:
        """Hand a message to the broker and wait for its acknowledgement.

        Raises:
            LinkDownError: there is no session, or it broke before the acknowledgement.
            MessageError: the message is larger than one may be.
        """
        await self.send_payload(kind, encode(message))

    async def send_payload(self, kind: topics.Up, payload: bytes) -> None:
        """Send what is already encoded; otherwise as ``send``.

        Raises:
            LinkDownError: as for ``send``.
        """
        client = self._client
        if client is None:
            raise LinkDownError
        topic = topics.up(self._config.hub, self._config.point, kind)
        try:
            await _heeding_cancel(client.publish(topic, payload, qos=1))
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise LinkDownError from error

    async def _session(self, listener: LinkListener) -> None:
        number = self.connections + 1
        async with self._connected(number) as client:
            self.connections = number
            filter_ = topics.all_down(self._config.hub, self._config.point)
            await _heeding_cancel(client.subscribe(filter_, qos=1))
            await self._say_hello(client, number, online=True)
            self._client = client
            self._note_up(number)
            listener.on_up()
            try:
                async for message in client.messages:
                    self._take(str(message.topic), message.payload, listener)
            finally:
                self._client = None
                listener.on_down()

    @asynccontextmanager
    async def _connected(self, number: int) -> AsyncIterator[aiomqtt.Client]:
        client = self._new_client(number)
        async with _entered(client):
            try:
                yield client
            except asyncio.CancelledError:
                # A clean stop: the broker would not publish the will after a DISCONNECT.
                with suppress(aiomqtt.MqttError, OSError, TimeoutError):
                    async with asyncio.timeout(GOODBYE_SECONDS):
                        await self._say_hello(client, number, online=False)
                raise

    def _new_client(self, number: int) -> aiomqtt.Client:
        """Make a client for one session: the will holds the number of the session."""
        will = self._hello(number, False)  # noqa: FBT003  # the callback's second place is online
        return _client(
            self._config.broker,
            f"agent-{self._config.hub}-{self._config.point}-{will.boot_id[:8]}",
            aiomqtt.Will(self._hello_topic, encode(will), qos=1, retain=False),
        )

    @property
    def _hello_topic(self) -> str:
        return topics.up(self._config.hub, self._config.point, topics.Up.HELLO)

    async def _say_hello(self, client: aiomqtt.Client, number: int, *, online: bool) -> None:
        hello = self._hello(number, online)
        await _heeding_cancel(client.publish(self._hello_topic, encode(hello), qos=1))

    def _take(self, topic: str, payload: object, listener: LinkListener) -> None:
        try:
            message = self._read(topic, payload)
        except MessageError as error:
            self._ignored[error.reason] += 1
            level = logging.WARNING if self._ignored[error.reason] == 1 else logging.DEBUG
            _log.log(level, "message on %s ignored: %s", topic[:200], error.detail)
            return
        self._note_answer()
        listener.on_message(message)

    def _read(self, topic: str, payload: object) -> DownMessage:
        kind = topic.removeprefix(self._own_down)
        if kind == topic or kind not in list(topics.Down):
            raise MessageError(RejectReason.UNKNOWN_TOPIC, "not a topic of this point")
        if not isinstance(payload, bytes | bytearray):
            raise MessageError(RejectReason.NOT_JSON, "no payload")
        return decode_down(topics.Down(kind), bytes(payload))

    def _note(self, error: Exception) -> None:
        fault = _fault(error, tls=self._config.broker.tls)
        self._set_problem(LinkProblem(fault, self._config.broker, _reason(error)))

    def _set_problem(self, problem: LinkProblem) -> None:
        changed = self.problem is None or self.problem.fault is not problem.fault
        self.problem = problem
        level = logging.WARNING if changed or not self._warned else logging.DEBUG
        _log.log(level, "%s", problem.text().en)
        self._warned = True

    def _note_answer(self) -> None:
        self._unanswered = 0
        if self.problem is not None:
            self.problem = None
            _log.info("the hub's server answers")

    def _note_up(self, number: int) -> None:
        broker = self._config.broker
        self.problem = None
        self._unanswered = 0
        self._warned = False
        _log.info("connected to %s:%d (session %d)", broker.host, broker.port, number)


@asynccontextmanager
async def _entered(client: aiomqtt.Client) -> AsyncIterator[None]:
    """Enter ``client``; a stop at any moment of its session is heeded and no error.

    At a cancellation the library lets a connection that is still being made go on, and its end is
    an error that nobody looks at. So is the error of a session that is lost in the same turn of
    the loop. An error while it leaves hides the cancellation.
    """
    try:
        async with client:
            yield
    except aiomqtt.MqttError:
        await _heeding_cancel(asyncio.sleep(0))
        raise
    finally:
        paho, lost = client._client, client._disconnected  # noqa: SLF001  # it offers no other way
        paho.on_connect = paho.on_disconnect = None
        if lost.done() and not lost.cancelled():
            lost.exception()


async def _heeding_cancel(work: Awaitable[Result]) -> Result:
    """Await ``work``, and end with the task's cancellation even where ``work`` swallowed it.

    The library waits by asyncio.wait_for, which before Python 3.12 returns the result and drops
    the cancellation when both come in the same turn of the loop.
    """
    result = await work
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return result


async def try_login(config: AgentConfig, forbidden: str) -> tuple[LinkProblem | None, bool]:
    """Enter the broker and leave; return why that fails, and whether ``forbidden`` came through.

    ``forbidden`` is a topic that this point hears and must not publish on. All this under a name
    of its own and without birth or will: the agent that runs is not disturbed, and the hub hears
    nothing.
    """
    name = f"doctor-{config.hub}-{config.point}-{secrets.token_hex(4)}"
    try:
        async with _client(config.broker, name) as client:
            return None, await _comes_back(client, forbidden)
    except (aiomqtt.MqttError, OSError, ValueError) as error:
        fault = _fault(error, tls=config.broker.tls)
        return LinkProblem(fault, config.broker, _reason(error)), False


async def _comes_back(client: aiomqtt.Client, topic: str) -> bool:
    """Publish on ``topic`` and say whether it arrives; a broker that refuses does so in silence."""
    await client.subscribe(topic, qos=1)
    await client.publish(topic, b"", qos=1)
    with suppress(TimeoutError):
        async with asyncio.timeout(ARRIVAL_SECONDS):
            async for _ in client.messages:
                return True
    return False


def _client(broker: Broker, identifier: str, will: aiomqtt.Will | None = None) -> aiomqtt.Client:
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.username,
        password=broker.password,
        identifier=identifier,
        protocol=aiomqtt.ProtocolVersion.V311,
        clean_session=True,
        will=will,
        keepalive=KEEPALIVE_SECONDS,
        timeout=ANSWER_SECONDS,
        tls_context=_tls_context(broker) if broker.tls else None,
        socket_options=_socket_options(),
    )
    # The library has no setting for it; five seconds by default would delay a stop.
    client._client.connect_timeout = _CONNECT_SECONDS  # noqa: SLF001
    return client


def _socket_options() -> list[tuple[int, int, int]]:
    """Return what keeps accounts moving on a line that the test overloads.

    Linux repeats a few segments without doubling its pauses, six times, when asked to
    (Documentation/networking/tcp-thin.rst); else an account may wait many seconds after the load.
    """
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    if sys.platform == "linux":
        options.append((socket.IPPROTO_TCP, _TCP_THIN_LINEAR_TIMEOUTS, 1))
    return options


def _tls_context(broker: Broker) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(broker.ca_file) if broker.ca_file else None)


def _cause(error: BaseException) -> BaseException:
    """Return what the library has wrapped, or the error itself."""
    return error.__cause__ or error.__context__ or error


def _reason(error: BaseException) -> str:
    cause = _cause(error)
    return str(cause) or str(error) or type(cause).__name__


def _fault(error: BaseException, *, tls: bool) -> LinkFault:
    cause = _cause(error)
    if isinstance(error, MqttConnectError):
        code = getattr(error.rc, "value", error.rc)
        return LinkFault.LOGIN_REFUSED if code in _LOGIN_REFUSED else LinkFault.REFUSED
    # A broker that speaks no TLS answers the handshake by hanging up.
    if isinstance(cause, ssl.SSLError) or (tls and isinstance(cause, ConnectionResetError)):
        return LinkFault.TLS
    return next((fault for kind, fault in _FAULTS if isinstance(cause, kind)), LinkFault.LOST)
