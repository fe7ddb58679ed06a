"""A network camera: RTSP 1.0 (RFC 2326) with RTP over the same TCP connection.

The library that plays it also packs its pictures, Motion JPEG (RFC 2435) or H.264 (RFC 6184), for a
port of loopback; what comes there goes out between the answers, as section 10.12 has it.
"""

import socket
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

import av

from tests.agent.probes.peers.sockets import LOOPBACK, stay_silent, tcp_peer

_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=room\r\nt=0 0\r\na=control:*\r\n"
    "m=video 0 RTP/AVP {media}c=IN IP4 0.0.0.0\r\na=control:track0\r\n"
)
_MEDIA = {
    "mjpeg": "26\r\n",
    "libx264": "96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n",
}
_ENCODING: Mapping[str, tuple[str, dict[str, str]]] = {
    # The only tables that RFC 2435 can name.
    "mjpeg": ("yuvj420p", {"huffman": "default"}),
    # What the description of the stream does not say stands before each key frame.
    "libx264": (
        "yuv420p",
        {"preset": "ultrafast", "tune": "zerolatency", "qp": "30", "g": "20",
         "x264-params": "repeat-headers=1:scenecut=0"},
    ),
}  # fmt: skip


@dataclass(slots=True)
class NetworkCamera:
    """``graph`` is what it sees (lavfi); ``still`` plays nothing; ``silent`` answers nothing."""

    graph: str = "testsrc2=size=640x360:rate=30,noise=alls=4:allf=t,realtime"
    manner: Literal["normal", "still", "silent"] = "normal"
    login: str | None = None
    """``USER:PASSWORD``, asked for by Basic authentication."""
    path: str = "/main"
    codec: Literal["mjpeg", "libx264"] = "mjpeg"
    methods: list[str] = field(default_factory=list)


@contextmanager
def network_camera(state: NetworkCamera) -> Iterator[int]:
    """Yield the port of a camera."""
    with tcp_peer(lambda connection: _converse(connection, state)) as port:
        yield port


def _converse(connection: socket.socket, state: NetworkCamera) -> None:
    if state.manner == "silent":
        stay_silent(connection)
        return
    over, received = threading.Event(), b""
    try:
        while block := connection.recv(4096):
            received += block
            while b"\r\n\r\n" in received:
                head, _, received = received.partition(b"\r\n\r\n")
                method = _answer(connection, head.decode(), state)
                if method == "PLAY" and state.manner == "normal":
                    player = threading.Thread(
                        target=_play, args=(connection, state, over), daemon=True
                    )
                    player.start()
    finally:
        over.set()


def _answer(connection: socket.socket, request: str, state: NetworkCamera) -> str:
    line, *rest = request.split("\r\n")
    headers = dict(one.split(": ", 1) for one in rest if ": " in one)
    method, url = line.split(" ")[:2]
    state.methods.append(method)
    more, body, code = "", "", "200 OK"
    login = b64encode((state.login or "").encode()).decode()
    if state.login and headers.get("Authorization") != f"Basic {login}":
        code, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n'
    elif method == "DESCRIBE" and state.path not in url:
        code = "404 Not Found"
    elif method == "OPTIONS":
        more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
    elif method == "DESCRIBE":
        more, body = "Content-Type: application/sdp\r\n", _SDP.format(media=_MEDIA[state.codec])
    elif method == "SETUP":
        more = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 4711\r\n"
    if body:
        more += f"Content-Length: {len(body)}\r\n"
    answer = f"RTSP/1.0 {code}\r\nCSeq: {headers.get('CSeq', '0')}\r\n{more}\r\n{body}"
    connection.sendall(answer.encode())
    return method if code.startswith("200") else ""


def _play(connection: socket.socket, state: NetworkCamera, over: threading.Event) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
        packets.bind((LOOPBACK, 0))
        packets.settimeout(0.2)
        port = packets.getsockname()[1]
        packer = threading.Thread(target=_pack, args=(state, port, over), daemon=True)
        packer.start()
        try:
            while not over.is_set():
                with suppress(TimeoutError):
                    packet = packets.recv(65_535)
                    connection.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
        except OSError:
            over.set()
        packer.join(10)


def _pack(state: NetworkCamera, port: int, over: threading.Event) -> None:
    target = f"rtp://{LOOPBACK}:{port}?pkt_size=1400"
    with (
        av.open(state.graph, "r", format="lavfi") as source,
        av.open(target, "w", format="rtp") as sink,
    ):
        video = source.streams.video[0]
        pixels, options = _ENCODING[state.codec]
        stream = sink.add_stream(state.codec, rate=video.average_rate or 30)
        stream.width, stream.height = video.width, video.height
        stream.pix_fmt = pixels
        # Slices of several threads end in restart markers, which the packer does not announce.
        stream.thread_count = 1
        stream.options = {**options}
        for frame in source.decode(video=0):
            if over.is_set():
                return
            for packet in stream.encode(frame.reformat(format=pixels)):
                sink.mux(packet)
