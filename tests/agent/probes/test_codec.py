"""What the codec probe says to a codec, and how a codec's own status is read."""

import random
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from diemcau_agent.probes import codec as probe
from diemcau_agent.probes.codecstatus import CodecStatus, judge_status
from diemcau_agent.probes.result import ProbeResult, from_json, to_json
from diemcau_agent.probes.xapi import parsed, status_of
from tests.agent.probes.peers import xapi
from tests.agent.probes.peers.sip import UserAgent, sip_over_tcp, sip_over_udp
from tests.agent.probes.peers.sockets import tcp_peer


@pytest.mark.parametrize(("peer", "query"), [(sip_over_udp, ""), (sip_over_tcp, "?transport=tcp")])
def test_only_options_is_sent(peer: object, query: str) -> None:
    """One request that rings nowhere, in the form that RFC 3261 section 8.1.1 asks for."""
    agent = UserAgent()
    with peer(agent) as port:  # type: ignore[operator]  # one of two context managers
        result = probe.probe({"format": "sip", "url": f"sip://127.0.0.1:{port}{query}"})

    assert result.values["sip_code"] == 200
    assert result.values["agent"] == "Room Codec 9"
    (request,) = agent.requests
    lines = request.split("\r\n")
    assert lines[0].startswith("OPTIONS sip:127.0.0.1:")
    names = [line.partition(":")[0] for line in lines[1:] if line]
    assert {"Via", "Max-Forwards", "From", "To", "Call-ID", "CSeq"} <= set(names)


def test_over_udp_a_lost_request_is_sent_again() -> None:
    """The same request, word for word: a retransmission, not a new transaction."""
    agent = UserAgent(lost=2)
    with sip_over_udp(agent) as port:
        result = probe.probe({"format": "sip", "url": f"sip://127.0.0.1:{port}"})

    assert result.status == "ok"
    assert len(agent.requests) == 3
    assert len(set(agent.requests)) == 1


def test_a_codecs_status_is_only_read_and_in_one_session() -> None:
    """GET and nothing else; the session that the codec opened for the first goes for all."""
    state = xapi.Codec()
    with xapi.codec(state) as port:
        settings = {
            "format": "xapi", "url": f"http://127.0.0.1:{port}",
            "username": xapi.USERNAME, "password": xapi.PASSWORD,
        }  # fmt: skip
        result = probe.probe(settings)

    assert result.status == "ok"
    assert result.values["microphones_connected"] == 1
    assert result.values["volume_ratio"] == 0.7
    assert {method for method, _, _ in state.requests} == {"GET"}
    assert all(path.startswith("/getxml?location=/Status/") for _, path, _ in state.requests)
    assert [cookie for _, _, cookie in state.requests] == ["", *["SessionId=4711"] * 4]


def certificate_of(folder: Path, name: str, *more: str) -> tuple[Path, Path]:
    """Make a certificate and its key; without ``more`` it signs itself and names no address."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", f"/CN={name}", *more,
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


def ask(port: int, ca_file: Path | None) -> ProbeResult:
    """Ask a codec over TLS."""
    return probe.probe(
        {
            "format": "xapi", "url": f"https://127.0.0.1:{port}",
            "username": xapi.USERNAME, "password": xapi.PASSWORD,
            "ca_file": None if ca_file is None else str(ca_file),
        }
    )  # fmt: skip


@pytest.mark.parametrize("names", [(), ("-addext", "subjectAltName=IP:127.0.0.1")])
def test_a_codecs_own_certificate_is_held_to_the_one_in_the_file(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    """The very certificate of the file is the codec, whatever it names; a stranger gets nothing."""
    own = certificate_of(tmp_path, "codec", *names)
    other, _ = certificate_of(tmp_path, "other", "-addext", "subjectAltName=IP:127.0.0.1")
    state = xapi.Codec()
    with xapi.codec(state, own) as port:
        strangers = [ask(port, None), ask(port, other)]
        asked_before = len(state.requests)
        known = ask(port, own[0])

    assert asked_before == 0
    for stranger in strangers:
        assert (stranger.status, stranger.causes) == ("bad", ("refused",))
        assert stranger.values == {"certificate_known": False}
    assert known.status == "ok"


@pytest.mark.parametrize(("address", "status"), [("127.0.0.1", "ok"), ("127.0.0.9", "bad")])
def test_what_an_authority_has_signed_must_name_the_address(
    address: str, status: str, tmp_path: Path
) -> None:
    """One authority signs many: any of its certificates would do without the name."""
    authority, authority_key = certificate_of(tmp_path, "authority")
    own = certificate_of(
        tmp_path, "codec", "-addext", f"subjectAltName=IP:{address}",
        "-addext", "basicConstraints=critical,CA:FALSE",
        "-CA", str(authority), "-CAkey", str(authority_key),
    )  # fmt: skip
    state = xapi.Codec()
    with xapi.codec(state, own) as port:
        found = ask(port, authority)

    assert found.status == status
    assert bool(state.requests) is (status == "ok")


def test_what_a_model_does_not_have_is_not_judged() -> None:
    """An older or smaller codec says less: what it does not say is None, not a fault."""
    assert status_of([parsed(b"<EmptyResult/>")]) == CodecStatus()
    assert judge_status(CodecStatus()).status == "ok"


@pytest.mark.parametrize(
    ("sockets", "count"),
    [
        (("Connected", "NotConnected"), 1), (("NotConnected", "NotConnected"), 0),
        (("Connected", "Unknown"), 1), (("Unknown", "NotConnected"), None),
        (("Unknown", "Unknown"), None), ((), None),
    ],
)  # fmt: skip
def test_a_socket_that_feels_nothing_is_no_missing_microphone(
    sockets: tuple[str, ...], count: int | None
) -> None:
    """Only where every socket is known to be empty is there none; a network one has no socket."""

    def microphones(more: str = "") -> int | None:
        states = "".join(
            f"<Microphone><ConnectionStatus>{one}</ConnectionStatus></Microphone>"
            for one in sockets
        )
        inside = f"<Audio><Input><Connectors>{states}{more}</Connectors></Input></Audio>"
        return status_of([parsed(f"<Status>{inside}</Status>".encode())]).microphones_connected

    assert microphones() == count
    assert microphones('<Ethernet item="1"><Mute>Off</Mute></Ethernet>') == (count or None)


def test_a_camera_of_which_the_codec_is_not_sure_is_not_missing() -> None:
    """One that is connected is enough; only where all are not, it is missing."""
    for states, connected in (("True Unknown", True), ("False False", False),
                              ("False Unknown", None)):  # fmt: skip
        cameras = "".join(
            f"<Camera><Connected>{one}</Connected></Camera>" for one in states.split()
        )
        document = parsed(f"<Status><Cameras>{cameras}</Cameras></Status>".encode())
        assert status_of([document]).camera_connected is connected


def test_the_main_source_and_not_a_presentation_input_counts() -> None:
    """An unused HDMI input without signal is no fault of the camera."""
    text = (xapi.ANSWERS / "video.input.xml").read_text(encoding="utf-8")
    assert status_of([parsed(text.encode())]).camera_signal is True
    other = text.replace("<MainVideoSource>1", "<MainVideoSource>2")
    assert status_of([parsed(other.encode())]).camera_signal is None


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("form", ["sip", "xapi"])
def test_whatever_answers_there_is_a_verdict_and_no_crash(form: str, seed: int) -> None:
    """Another service at the address may say anything, or break off in the middle."""
    noise = random.Random(seed)  # noqa: S311  # noise, no secret
    begins = {
        "sip": b"SIP/2.0 200 OK\r\n",
        "xapi": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
    }

    def babble(connection: socket.socket) -> None:
        connection.recv(4096)
        start = begins[form] if noise.random() < 0.5 else b""
        connection.sendall(start + noise.randbytes(noise.choice((3, 500, 90_000))) + b"\r\n\r\n")

    url = {"sip": "sip://127.0.0.1:{}?transport=tcp", "xapi": "http://127.0.0.1:{}"}[form]
    with tcp_peer(babble) as port:
        result = probe.probe({"format": form, "url": url.format(port)})

    assert result.status == "bad"
    assert from_json(to_json(result)) == result
