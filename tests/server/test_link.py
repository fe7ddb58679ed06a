"""The session with the broker: real Mosquitto, real sockets, and the embedded broker."""

import asyncio
import gc
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import aiomqtt
import paho.mqtt.client as paho
import pytest

from diemcau_contract.causes import Text
from diemcau_contract.topics import all_down
from diemcau_server import app
from diemcau_server.embedded import EmbeddedBroker
from diemcau_server.errors import BrokerError, PublishError
from diemcau_server.link import (
    BACKOFF_CAP_SECONDS,
    Backoff,
    BrokerAddress,
    Link,
    RefusalKind,
    try_login,
)
from tests.brokers import Mosquitto, free_port, mosquitto_program
from tests.certificates import certify
from tests.handbroker import Moment, complaints_of_a_stop, hand_broker

PATIENCE_SECONDS = 20.0
TOPIC = "diemcau/v1/bu-dang/bom-bo/up/report"
NO_WAIT = Backoff(chance=lambda: 0.01)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for an outcome, bounded."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110  # the link has no event for its sentences
            await asyncio.sleep(0.01)


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a link and wait for its end."""
    task.cancel()
    await asyncio.wait([task])


async def hears_and_speaks(url: str) -> None:
    """Show that a link on ``url`` takes what a point says and reaches the point."""
    heard: list[tuple[str, bytes]] = []
    link = Link(BrokerAddress.of(url), lambda topic, content: heard.append((topic, content)))
    task = asyncio.create_task(link.run())
    await until(link.connected.is_set)
    address = BrokerAddress.of(url)
    async with aiomqtt.Client(address.host, address.port) as point:
        await point.subscribe(all_down("bu-dang", "bom-bo"), qos=1)
        await point.publish(TOPIC, b"\x00xin ch\xc3\xa0o", qos=1)
        await until(lambda: bool(heard))
        await link.publish("diemcau/v1/bu-dang/bom-bo/down/ack", b"{}")
        async with asyncio.timeout(PATIENCE_SECONDS):
            message = await anext(aiter(point.messages))
    assert heard == [(TOPIC, b"\x00xin ch\xc3\xa0o")]
    assert (str(message.topic), message.payload) == ("diemcau/v1/bu-dang/bom-bo/down/ack", b"{}")
    assert link.trouble is None
    await end(task)


async def test_mosquitto_carries_both_ways(broker: Mosquitto) -> None:
    """Messages of points are delivered at once, messages to points arrive."""
    await hears_and_speaks(broker.url)


async def test_the_embedded_broker_carries_both_ways() -> None:
    """The same over the embedded broker, which ends without a trace."""
    embedded = EmbeddedBroker(0)
    await embedded.start()
    try:
        await hears_and_speaks(embedded.url)
    finally:
        await embedded.stop()


async def test_a_lost_broker_is_found_again(broker: Mosquitto) -> None:
    """The link comes back by itself and counts it; meanwhile publishing says so."""
    link = Link(BrokerAddress.of(broker.url), lambda *_: None, backoff=NO_WAIT)
    task = asyncio.create_task(link.run())
    await until(link.connected.is_set)
    broker.stop()
    await until(lambda: not link.connected.is_set())
    assert link.trouble is not None
    assert link.trouble.en.startswith(f"the session with the broker {broker.url} is lost")
    with pytest.raises(PublishError, match="no session with the broker"):
        await link.publish("diemcau/v1/bu-dang/bom-bo/down/ack", b"{}")
    broker.start()
    await until(link.connected.is_set)
    assert link.reconnects_total == 1
    await end(task)


async def test_a_refused_login_is_told_plainly(tmp_path: Path) -> None:
    """A wrong password is named as such, and the link keeps trying."""
    program = mosquitto_program()
    if program is None:
        pytest.skip("mosquitto is not installed")
    guarded = Mosquitto(program, tmp_path, ("allow_anonymous false",))
    guarded.start()
    address = BrokerAddress.of(guarded.url, "server", "wrong")
    link = Link(address, lambda *_: None, backoff=NO_WAIT)
    task = asyncio.create_task(link.run())
    told = f"the broker {guarded.url} refuses the login: check username and password_file"
    try:
        await until(lambda: link.trouble is not None and link.trouble.en == told)
        assert not task.done()
    finally:
        await end(task)
        guarded.stop()


def tls_error(reason: str) -> ssl.SSLError:
    """Return an error as the handshake raises it."""
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), RefusalKind.TLS),
        (ConnectionResetError(104, "Connection reset by peer"), RefusalKind.TLS),
        (ssl.SSLCertVerificationError(1, "self-signed certificate"), RefusalKind.CERTIFICATE),
        (tls_error("TLSV1_ALERT_PROTOCOL_VERSION"), RefusalKind.OTHER),
        (tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), RefusalKind.OTHER),
    ],
)
async def test_only_who_does_not_know_tls_is_said_to_have_none(
    monkeypatch: pytest.MonkeyPatch, error: OSError, kind: RefusalKind
) -> None:
    """A broker that refuses the handshake in TLS has it."""

    def refuse(*_arguments: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(paho.Client, "connect", refuse)
    refusal, _ = await try_login(BrokerAddress("127.0.0.1", 8883, tls=True))
    assert refusal is not None
    assert refusal.kind is kind


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_server_of_another_kind_has_no_tls() -> None:
    """It answers the handshake in its own words."""

    async def scold(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    server = await asyncio.start_server(scold, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        refusal, _ = await try_login(BrokerAddress("127.0.0.1", port, tls=True))
    gc.collect()  # the library leaves the socket of a failed handshake to the collector
    assert refusal is not None
    assert refusal.kind is RefusalKind.TLS


async def test_no_broker_at_all_is_told_plainly() -> None:
    """A closed port is named, and the link keeps trying."""
    url = f"mqtt://127.0.0.1:{free_port()}"
    link = Link(BrokerAddress.of(url), lambda *_: None, backoff=NO_WAIT)
    task = asyncio.create_task(link.run())
    start = f"the broker {url} cannot be reached: "
    await until(lambda: link.trouble is not None and link.trouble.en.startswith(start))
    assert not task.done()
    await end(task)


@pytest.mark.parametrize("moment", Moment)
async def test_a_stop_at_any_moment_is_no_error(moment: Moment) -> None:
    """A stop while connecting, or just as the session is lost, ends the link without a word."""
    async with hand_broker() as broker:
        link = Link(BrokerAddress("127.0.0.1", broker.port), lambda *_: None)

        async def until_session() -> Any:
            await broker.grant()
            await link.connected.wait()
            return link._client

        said = await complaints_of_a_stop(moment, broker, link.run(), until_session)
    assert said == []


async def test_a_stop_is_heeded_where_the_broker_takes_nothing_more() -> None:
    """A goodbye that does not get out in time is no lost session: the link ends."""
    async with hand_broker() as broker:
        link = Link(BrokerAddress("127.0.0.1", broker.port), lambda *_: None, backoff=NO_WAIT)
        task = asyncio.create_task(link.run())
        await broker.meet()
        broker.welcome()
        await broker.grant()
        await link.connected.wait()
        assert link._client is not None
        link._client.timeout = 0.05
        # More than the buffers of a loopback connection hold.
        much = (link.publish("much", bytes(200_000)) for _ in range(100))
        refused = await asyncio.gather(*much, return_exceptions=True)
        assert {type(one) for one in refused} == {PublishError}
        task.cancel()
        await asyncio.wait([task])
        await broker.until_gone()
    assert task.cancelled()


def test_the_embedded_broker_stays_on_loopback() -> None:
    """It refuses any other address."""
    with pytest.raises(BrokerError, match=r"listens on loopback only, not on 0\.0\.0\.0"):
        EmbeddedBroker(0, "0.0.0.0")  # noqa: S104


async def test_an_embedded_broker_that_does_not_stop_keeps_nobody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its sessions are not ours to end; the server ends all the same."""
    monkeypatch.setattr("diemcau_server.embedded._STOP_SECONDS", 0.05)
    broker = EmbeddedBroker(0)
    await broker.start()
    real = broker._broker
    assert real is not None
    monkeypatch.setattr(real, "shutdown", asyncio.Event().wait)

    await broker.stop()

    assert "did not stop" in caplog.text
    monkeypatch.undo()
    await real.shutdown()


async def test_a_part_that_swallows_its_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What asyncio.wait_for may do before Python 3.12 must not keep the server from its end."""
    monkeypatch.setattr(app, "_CANCEL_AGAIN_SECONDS", 0.05)
    swallowed = 0

    async def work() -> None:
        nonlocal swallowed
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        swallowed += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await app._end(task)

    assert task.cancelled()
    assert swallowed == 1


async def test_a_taken_port_is_one_sentence() -> None:
    """The embedded broker on a taken port says which."""
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BrokerError) as caught:
            await EmbeddedBroker(port).start()
    assert caught.value.text == Text(
        f"broker kèm theo không mở được cổng 127.0.0.1:{port}: cổng này đang có chương trình khác "
        "dùng; dừng chương trình đó, hoặc đổi broker.port trong tệp cấu hình",
        f"the embedded broker cannot listen on 127.0.0.1:{port}: another program uses this port; "
        "stop it, or change broker.port in the configuration",
    )


def test_waits_grow_to_a_cap_and_start_over_after_a_stable_session() -> None:
    """Full jitter under 1, 2, 4 … 60 s; a minute of session resets it."""
    backoff = Backoff(chance=lambda: 1.0)
    assert [backoff.next_seconds() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    assert backoff.next_seconds(59.0) == BACKOFF_CAP_SECONDS
    assert backoff.next_seconds(60.0) == 1
    assert Backoff(chance=lambda: 0.0).next_seconds() == 0


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mqtt://hall", "mqtt://hall:1883"),
        ("mqtts://hall", "mqtts://hall:8883"),
        ("mqtts://[::1]:9/", "mqtts://[::1]:9"),
    ],
)
def test_an_address_has_its_usual_port(url: str, shown: str) -> None:
    """The port may be left out."""
    assert str(BrokerAddress.of(url)) == shown


async def test_the_ends_of_certificates_are_known(tmp_path: Path) -> None:
    """A session by TLS tells when the broker's certificate and its authority's will end."""
    program = mosquitto_program()
    if program is None:
        pytest.skip("mosquitto is not installed")
    certify(tmp_path)
    tls = (f"certfile {tmp_path / 'broker.pem'}", f"keyfile {tmp_path / 'broker.key'}")
    broker = Mosquitto(program, tmp_path, settings=("user root", "allow_anonymous true", *tls))
    broker.start()
    address = BrokerAddress.of(f"mqtts://127.0.0.1:{broker.port}", ca_file=tmp_path / "ca.pem")
    link = Link(address, lambda _topic, _content: None)
    task = asyncio.create_task(link.run())
    try:
        await until(link.connected.is_set)
    finally:
        await end(task)
        broker.stop()
    days = {
        whose: round((ends_at - time.time()) / 86_400)
        for whose, ends_at in link.certificates.items()
    }
    assert days == {"broker": 20, "authority": 400}
