"""The privacy shutter of a UVC camera: one question to the driver, no picture."""

import errno
import os
import struct
import sys
from pathlib import Path

import pytest

from diemcau_agent.probes.v4l2 import shutter_closed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="V4L2")


class _Driver:
    """Answers VIDIOC_G_CTRL for V4L2_CID_PRIVACY; None: has no such control."""

    def __init__(self, closed: int | None) -> None:
        self._closed = closed

    def __call__(self, _opened: int, request: int, control: bytes) -> bytes:
        number, _ = struct.unpack("=Ii", control)
        assert (request, number) == (0xC008561B, 0x009A0910)
        if self._closed is None:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return struct.pack("=Ii", number, self._closed)


@pytest.mark.parametrize(("answer", "closed"), [(1, True), (0, False), (None, False)])
def test_what_the_driver_says(tmp_path: Path, *, answer: int | None, closed: bool) -> None:
    """Closed only where the camera says so; most cameras have no shutter."""
    node = tmp_path / "video0"
    node.touch()

    assert shutter_closed(node, _Driver(answer)) is closed


def test_a_node_that_cannot_be_opened_is_told_later(tmp_path: Path) -> None:
    """Whether it is missing or denied is for the opening itself to say."""
    assert shutter_closed(tmp_path / "video9", _Driver(1)) is False


def test_a_file_that_is_no_camera_has_no_shutter(tmp_path: Path) -> None:
    """The real call, on a file whose driver does not know it."""
    node = tmp_path / "video0"
    node.touch()

    assert shutter_closed(node) is False
