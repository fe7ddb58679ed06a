"""What a room's file may name, for the hub that writes it and the agent that reads it."""

import unicodedata

import pytest
from pydantic import ValidationError

from diemcau_contract.room_devices import DeviceSource


@pytest.mark.parametrize(
    ("source_format", "url"),
    [
        ("sip", "sip://a..b"),
        ("sip", "sip://10.20.1.40,10.20.1.41"),
        ("sip", "sip://*"),
        ("sip", "sip://a b"),
        ("sip", "sip://codec "),
        ("xapi", f"http://{'a' * 64}"),
        ("h323", "h323://codec/path"),
        ("rtsp", "rtsp://camera/\n"),
        ("rtsp", "rtsp://admin:secret@camera/main"),
        ("pjlink", "pjlink://"),
        ("pjlink", "pjlink://10.20.1.50:0"),
    ],
)
def test_what_no_equipment_can_be_reached_by_is_refused(source_format: str, url: str) -> None:
    """A slip in an address is told with its line, and is no crash of a probe."""
    with pytest.raises(ValidationError, match="without a login"):
        DeviceSource(format=source_format, url=url)


@pytest.mark.parametrize(
    ("source_format", "url"),
    [
        ("sip", "sip://10.20.1.40:5060?transport=tcp"),
        ("h323", "h323://codec-1.phong.vn"),
        ("pjlink", "pjlink://máy-chiếu"),
        ("pjlink", unicodedata.normalize("NFD", "pjlink://máy-chiếu")),
        ("rtsp", "rtsp://[fe80::1%25eth0]:554/main?channel=1"),
        ("rtsp", "rtsp://[::1]/a%20b"),
        ("xapi", "https://codec"),
    ],
)
def test_addresses_and_names_are_taken(source_format: str, url: str) -> None:
    """With a port, a path of a stream, and letters of any language."""
    assert DeviceSource(format=source_format, url=url).url == url
