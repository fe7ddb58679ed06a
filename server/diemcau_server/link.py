"""The server's session with the broker; the only module here that knows aiomqtt.

aiomqtt acknowledges a message to the broker before anybody has seen it, so that acknowledgement
proves nothing: a report counts only when the server's own Ack comes back to its agent. This is why
a clean session is enough, and why a full queue may refuse a message: it is sent again.
"""

import asyncio
import logging
import random
import secrets
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import aiomqtt

from diemcau_contract.broker_url import broker_url
from diemcau_contract.causes import Text
from diemcau_contract.topics import all_up
from diemcau_server.errors import PublishError

BACKOFF_BASE_SECONDS = 1.0
BACKOFF_CAP_SECONDS = 60.0
STABLE_SECONDS = 60.0
KEEPALIVE_SECONDS = 20
ANSWER_SECONDS = 10.0
ARRIVAL_SECONDS = 2.0
"""How long messages are waited for that may, or must not, arrive: many times the round trip of any
line."""
_QOS = 1
_REFUSED_CODES = frozenset({2, 4, 5, 133, 134, 135})
"""Identifier rejected, bad user name or password, not authorised: the numbers of MQTT 3.1.1
(section 3.2.2.3), and those of MQTT 5 (section 3.2.2.2) into which paho turns them."""

_LOG = logging.getLogger(__name__)
_QUIET = logging.getLogger(f"{__name__}.library")
_QUIET.setLevel(logging.CRITICAL)

Deliver = Callable[[str, bytes], None]
"""Takes a message at once and never raises; called in the event loop."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and how to log in."""

    host: str
    port: int
    tls: bool = False
    username: str | None = None
    password: str | None = None
    ca_file: Path | None = None

    @classmethod
    def of(
        cls,
        url: str,
        username: str | None = None,
        password: str | None = None,
        ca_file: Path | None = None,
    ) -> "BrokerAddress":
        """Take ``mqtt://host[:port]`` or ``mqtts://host[:port]`` apart."""
        parts = broker_url(url)
        return cls(parts.host, parts.port, parts.tls, username, password, ca_file)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


class Backoff:
    """Capped full jitter: 0 to 1, 2, 4 … 60 s; back to the start after a minute of session."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._failures = 0

    def next_seconds(self, session_seconds: float = 0.0) -> float:
        """Return the wait after a session of ``session_seconds`` (0: none came about)."""
        if session_seconds >= STABLE_SECONDS:
            self._failures = 0
        ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return ceiling * self._chance()


class Link:
    """Keeps a session with the broker until its task is cancelled."""

    def __init__(
        self,
        address: BrokerAddress,
        deliver: Deliver,
        on_connected: Callable[[], None] | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.connected = asyncio.Event()
        self.reconnects_total = 0
        self.trouble: Text | None = Text(
            "chưa kết nối được với broker", "no session with the broker yet"
        )
        """Why there is no session; None while there is one."""
        self.certificates: dict[str, float] = {}
        """Ends of the broker's certificate and of its authority's, in seconds since 1970."""
        self._address = address
        self._deliver = deliver
        self._on_connected = on_connected
        self._backoff = backoff or Backoff()
        self._client: aiomqtt.Client | None = None
        self._identifier = f"diemcau-server-{secrets.token_hex(4)}"
        self._warned = ""

    async def run(self) -> None:
        """Connect, listen, connect again; never returns by itself."""
        while True:
            started = time.monotonic()
            lasted = 0.0
            try:
                await self._session()
            except (aiomqtt.MqttError, OSError, TimeoutError) as error:
                if self.connected.is_set():
                    lasted = time.monotonic() - started
                self._lost(error)
            await asyncio.sleep(self._backoff.next_seconds(lasted))

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1 and wait until the broker has it.

        Raises:
            PublishError: there is no session or the broker does not answer in time. It is a
                ConnectionError, so also an OSError.
        """
        client = self._client
        if client is None:
            message = f"no session with the broker {self._address}"
            raise PublishError(message)
        try:
            await _heeding_cancel(client.publish(topic, payload, qos=_QOS))
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            message = f"the broker {self._address} did not take a message: {error}"
            raise PublishError(message) from error

    async def _session(self) -> None:
        client = self._new_client()
        async with _entered(client):
            await _heeding_cancel(client.subscribe(all_up(), qos=_QOS))
            self._client = client
            self._look_at_certificates(client)
            self.connected.set()
            self.trouble = None
            self._warned = ""
            _LOG.info("session with the broker %s", self._address)
            if self._on_connected is not None:
                self._on_connected()
            try:
                async for _ in client.messages:
                    """Never entered: the queue delivers; the iterator only ends with the session"""
            finally:
                self._client = None

    def _look_at_certificates(self, client: aiomqtt.Client) -> None:
        """Note when what this session rests on will end; sessions outlive certificates."""
        transport = client._client.socket()  # noqa: SLF001  # aiomqtt does not pass it on
        if not isinstance(transport, ssl.SSLSocket):
            return
        shown = transport.getpeercert()
        if shown:
            self.certificates["broker"] = ssl.cert_time_to_seconds(str(shown["notAfter"]))
        if self._address.ca_file is not None:
            known = ssl.create_default_context(cafile=str(self._address.ca_file)).get_ca_certs()
            ends = [ssl.cert_time_to_seconds(str(one["notAfter"])) for one in known]
            if ends:  # a certificate that signs itself is no authority
                self.certificates["authority"] = min(ends)

    def _lost(self, error: Exception) -> None:
        had_session = self.connected.is_set()
        self.connected.clear()
        if had_session:
            self.reconnects_total += 1
        if had_session:
            text = Text(
                f"mất kết nối với broker {self._address}: {_plain(error)}",
                f"the session with the broker {self._address} is lost: {_plain(error)}",
            )
        else:
            text = _refusal(self._address, error)
        self.trouble = text
        _LOG.log(logging.DEBUG if self._warned == text.en else logging.WARNING, "%s", text.en)
        self._warned = text.en

    def _new_client(self) -> aiomqtt.Client:
        return _client(self._address, self._identifier, _delivering(self._deliver))


class RefusalKind(StrEnum):
    """Why there is no session, told apart by what a person must look at."""

    LOGIN = "login"
    HOST_NAME = "host_name"
    CERTIFICATE = "certificate"
    TLS = "tls"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no session, in one sentence."""

    kind: RefusalKind
    text: Text


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back to an account of what it published."""

    permitted: bool = False
    forbidden: bool = False


async def try_login(
    address: BrokerAddress, permitted: str | None = None, forbidden: str | None = None
) -> tuple[Refusal | None, Heard]:
    """Enter the broker and leave; return why that fails, and which messages came through.

    Both are topics that this account hears; on ``forbidden`` it must not publish. Without them
    nothing is tried.
    """
    name = f"diemcau-doctor-{secrets.token_hex(4)}"
    try:
        async with _client(address, name, asyncio.Queue) as client:
            if permitted is None or forbidden is None:
                return None, Heard()
            return None, await _heard(client, permitted, forbidden)
    except (aiomqtt.MqttError, OSError, TimeoutError) as error:
        return Refusal(_kind(address, error), _refusal(address, error)), Heard()


async def _heard(client: aiomqtt.Client, permitted: str, forbidden: str) -> Heard:
    """Publish on both and say what arrives; a broker that refuses does so in silence."""
    came: set[str] = set()
    for topic in (forbidden, permitted):
        await client.subscribe(topic, qos=_QOS)
        await client.publish(topic, b"", qos=_QOS)
    with suppress(TimeoutError):
        async with asyncio.timeout(ARRIVAL_SECONDS):
            async for message in client.messages:
                came.add(str(message.topic))
                if came >= {permitted, forbidden}:
                    break
    return Heard(permitted in came, forbidden in came)


def _client(
    address: BrokerAddress, identifier: str, queue: type[asyncio.Queue[aiomqtt.Message]]
) -> aiomqtt.Client:
    return aiomqtt.Client(
        address.host,
        address.port,
        username=address.username,
        password=address.password,
        identifier=identifier,
        protocol=aiomqtt.ProtocolVersion.V311,
        clean_session=True,
        keepalive=KEEPALIVE_SECONDS,
        timeout=ANSWER_SECONDS,
        tls_context=_tls_context(address) if address.tls else None,
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        queue_type=queue,
        logger=_QUIET,
    )


def _refusal(address: BrokerAddress, error: Exception) -> Text:
    """Say why there is no session."""
    if _kind(address, error) is RefusalKind.LOGIN:
        return Text(
            f"broker {address} từ chối đăng nhập: kiểm tra username và password_file",
            f"the broker {address} refuses the login: check username and password_file",
        )
    return Text(
        f"không kết nối được broker {address}: {_plain(error)}",
        f"the broker {address} cannot be reached: {_plain(error)}",
    )


def _kind(address: BrokerAddress, error: Exception) -> RefusalKind:
    code = getattr(error, "rc", None)
    if getattr(code, "value", code) in _REFUSED_CODES:
        return RefusalKind.LOGIN
    cause = error.__context__  # what the library has wrapped
    if isinstance(cause, socket.gaierror):
        return RefusalKind.HOST_NAME
    if isinstance(cause, ssl.SSLCertVerificationError):
        return RefusalKind.CERTIFICATE
    return RefusalKind.TLS if address.tls and _speaks_no_tls(cause) else RefusalKind.OTHER


def _speaks_no_tls(cause: BaseException | None) -> bool:
    """Say whether the handshake ended as where the other side does not know what one is.

    It hangs up, or answers in words of its own. One of another version, without a common cipher or
    that wants our certificate knows, and says so by an alert.
    """
    if isinstance(cause, ssl.SSLEOFError | ConnectionResetError):
        return True
    return isinstance(cause, ssl.SSLError) and cause.reason == "WRONG_VERSION_NUMBER"


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


def _delivering(deliver: Deliver) -> type[asyncio.Queue[aiomqtt.Message]]:
    """Return a queue that hands each message over at once: a task per message costs 50 us."""

    class DeliveringQueue(asyncio.Queue[aiomqtt.Message]):
        def put_nowait(self, item: aiomqtt.Message) -> None:
            deliver(str(item.topic), _bytes(item.payload))

    return DeliveringQueue


def _bytes(payload: object) -> bytes:
    return bytes(payload) if isinstance(payload, bytes | bytearray) else str(payload).encode()


def _tls_context(address: BrokerAddress) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cafile=str(address.ca_file) if address.ca_file is not None else None
    )
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _plain(error: Exception) -> str:
    return str(error) or type(error).__name__


async def _heeding_cancel(work: Awaitable[object]) -> None:
    """Await ``work``, and end with the task's cancellation even where ``work`` swallowed it.

    The library waits by asyncio.wait_for, which before Python 3.12 drops a cancellation that comes
    in the same turn of the loop as the result.
    """
    await work
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
