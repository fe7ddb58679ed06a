"""Status of a Cisco room codec (RoomOS, CE) over its xAPI by HTTP: ``GET /getxml``, read-only.

Cisco, "Collaboration Endpoint Software API Reference Guide": xStatus Audio, Cameras, Standby,
SystemUnit State, Video Input. Written against that reference and its recorded answers.
"""

import base64
import http.client
import re
import ssl
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET  # the name everybody knows it by

from diemcau_agent.probes.codecstatus import CodecAnswerError, CodecLoginError, CodecStatus

DEADLINE_SECONDS: Final = 2.4
MAX_BYTES: Final = 1_000_000
_LOCATIONS: Final = (
    "/Status/SystemUnit/State",
    "/Status/Standby",
    "/Status/Cameras",
    "/Status/Video/Input",
    "/Status/Audio",
)
_LOGIN_REFUSED: Final = frozenset({401, 403})


_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


class CiscoXapi:
    """One codec; ``certificate`` is its own or its authority's, for https.

    One that is the codec's own very certificate needs no further proof: what a codec signs itself
    rarely names the address at which it is reached. Any other is verified with the host's name.
    """

    def __init__(
        self, url: str, username: str, password: str, certificate: Path | None = None
    ) -> None:
        self._url = urlsplit(url)
        self._certificate = certificate
        login = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
        self._headers = {"Authorization": f"Basic {login}", "Accept": "text/xml"}

    def read(self) -> CodecStatus:
        """Ask for the parts that matter over one connection; see StatusApi."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        connection = self._connection()
        try:
            documents = [self._get(connection, path, deadline) for path in _LOCATIONS]
        except http.client.HTTPException as error:
            raise CodecAnswerError(f"no HTTP: {type(error).__name__}") from error
        finally:
            connection.close()
        return status_of(documents)

    def _connection(self) -> http.client.HTTPConnection:
        if self._url.scheme != "https":
            host = self._url.hostname or ""
            return http.client.HTTPConnection(host, self._url.port, timeout=DEADLINE_SECONDS)
        if self._certificate is None:
            return self._secure(ssl.create_default_context())
        return self._pinned(self._certificate) or self._secure(
            ssl.create_default_context(cafile=str(self._certificate))
        )

    def _secure(self, context: ssl.SSLContext) -> http.client.HTTPSConnection:
        host = self._url.hostname or ""
        return http.client.HTTPSConnection(
            host, self._url.port, timeout=DEADLINE_SECONDS, context=context
        )

    def _pinned(self, certificate: Path) -> http.client.HTTPSConnection | None:
        """Return a connection with whom has one of these very certificates; None: another has."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = self._secure(context)
        connection.connect()
        shown = connection.sock.getpeercert(binary_form=True)
        kept = _PEM.findall(certificate.read_text("ascii", "ignore"))
        known = [ssl.PEM_cert_to_DER_cert(one) for one in kept]
        if shown in known:
            return connection
        # Nothing was asked and no password sent; now as with any server.
        connection.close()
        return None

    def _get(
        self, connection: http.client.HTTPConnection, location: str, deadline: float
    ) -> ET.Element:
        left_seconds = deadline - time.monotonic()
        if left_seconds <= 0:
            raise TimeoutError("no answer in time")
        if connection.sock is not None:
            connection.sock.settimeout(left_seconds)
        connection.request("GET", f"/getxml?location={location}", headers=self._headers)
        answer = connection.getresponse()
        body = answer.read(MAX_BYTES)
        if answer.status in _LOGIN_REFUSED:
            raise CodecLoginError(f"HTTP {answer.status}")
        if answer.status != http.client.OK:
            raise CodecAnswerError(f"HTTP {answer.status} for {location}")
        cookie = answer.getheader("Set-Cookie")
        if cookie is not None:
            # The codec's few sessions: one for all our questions, not one for each.
            self._headers["Cookie"] = cookie.partition(";")[0]
        return parsed(body)


def status_of(documents: list[ET.Element]) -> CodecStatus:
    """Put the answers together; what a model does not have stays None."""
    calls = _text(documents, "SystemUnit/State/NumberOfActiveCalls")
    standby = _text(documents, "Standby/State") or _text(documents, "Standby/Active")
    muted = _text(documents, "Audio/Microphones/Mute")
    volume = _text(documents, "Audio/Volume")
    return CodecStatus(
        active_calls=int(calls) if calls.isdecimal() else None,
        standby=standby not in ("Off", "False") if standby else None,
        camera_connected=_camera_connected(documents),
        camera_signal=_camera_signal(documents),
        microphones_connected=_microphones(documents),
        microphones_muted=muted == "On" if muted else None,
        volume_ratio=int(volume) / 100 if volume.isdecimal() else None,
    )


def _camera_connected(documents: list[ET.Element]) -> bool | None:
    states = [one.text for one in _all(documents, "Cameras/Camera/Connected")]
    if "True" in states:
        return True
    return False if states and set(states) == {"False"} else None


def _camera_signal(documents: list[ET.Element]) -> bool | None:
    """SignalState of the connector that the main video comes from."""
    source = _text(documents, "Video/Input/MainVideoSource")
    for one in _all(documents, "Video/Input/Source"):
        if one.get("item") == source:
            source = one.findtext("ConnectorId") or source
            break
    for one in _all(documents, "Video/Input/Connector"):
        if one.get("item") == source:
            state = one.findtext("SignalState") or "Unknown"
            return None if state == "Unknown" else state == "OK"
    return None


def _microphones(documents: list[ET.Element]) -> int | None:
    """Count those at sockets; None where there may be one that no socket tells of.

    Not every socket feels whether something is in it (``Unknown``), and a microphone on the network
    (``Ethernet``) has none.
    """
    connectors = "Audio/Input/Connectors"
    states = [one.text for one in _all(documents, f"{connectors}/Microphone/ConnectionStatus")]
    if "Connected" in states:
        return states.count("Connected")
    empty = set(states) == {"NotConnected"} and not _all(documents, f"{connectors}/Ethernet")
    return 0 if empty else None


def _all(documents: list[ET.Element], path: str) -> list[ET.Element]:
    return [found for document in documents for found in document.findall(path)]


def _text(documents: list[ET.Element], path: str) -> str:
    return next(((one.text or "").strip() for one in _all(documents, path)), "")


def parsed(body: bytes) -> ET.Element:
    """Parse what a device on the network says.

    Raises:
        CodecAnswerError: no XML of a codec.
    """
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        # A codec has no need of it; entities are how a document of this size fills the memory.
        raise CodecAnswerError("a document type in the answer")
    try:
        document = ET.fromstring(body)  # noqa: S314  # bounded, and without entities
    except ET.ParseError as error:
        raise CodecAnswerError(f"no XML: {error}") from error
    if document.tag not in ("Status", "EmptyResult"):
        raise CodecAnswerError(f"not a codec's status but {document.tag[:40]}")
    return document
