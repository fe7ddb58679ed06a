"""A small district for the tests of the server: its file, its messages, its clock."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from diemcau_contract.messages import DeviceResult, DevicesResult, Hello, HostState, StepResult
from diemcau_contract.words import DeviceKind, Status, StepKind
from diemcau_server.config import ServerConfig, load_config
from tests.measured import END, STAMP, sender, traffic

BOOT = "0123456789abcdef"
NOW = datetime(2026, 3, 14, 0, 30, tzinfo=UTC)

FILE = """\
schema: diemcau.server/1
measure: {host: 127.0.0.1, port: 0}
default_profile: light
profiles:
  - id: light
    name: Nhẹ
    up: &plan {audio_bits_per_second: 64000, video_bits_per_second: 320000, frames_per_second: 30}
    down: *plan
    guards: {schedule_error_p99_seconds: 1, cpu_ratio: 1, packets_min: 20}
  - id: h323-720p
    name: H.323 720p
    up: *plan
    down: *plan
hubs:
  - id: bu-dang
    name: Hội trường Huyện ủy
    points:
      - {id: bom-bo, name: Xã Bom Bo}
      - {id: dak-nhau, name: Xã Đak Nhau}
      - {id: duc-lieu, name: Xã Đức Liễu}
      - {id: tho-son, name: Xã Thọ Sơn, enabled: false}
      - {id: phu-son, name: Xã Phú Sơn, maintenance_until: 2026-03-20 08:00:00}
    units:
      - {id: th-bom-bo, name: Trường tiểu học Bom Bo}
sessions:
  - id: lop-1
    hub: bu-dang
    name: Lớp 1
    form: line
    profile: h323-720p
    start: 2026-03-14 07:00:00
    end: 2026-03-14 11:00:00
    points: [bom-bo, duc-lieu]
  - id: lop-2
    hub: bu-dang
    name: Lớp 2
    form: line
    profile: h323-720p
    start: 2026-03-15 07:00:00
    end: 2026-03-15 11:00:00
"""


def district(folder: Path, text: str = FILE) -> ServerConfig:
    """Return the district's configuration, read from a file in ``folder``."""
    file = folder / "bu-dang.yaml"
    file.write_text(text, encoding="utf-8")
    return load_config(file)


def step_result(
    point: str, kind: StepKind = StepKind.REHEARSAL, *, test: str = "t", **changes: Any
) -> StepResult:
    """Return a clean step as its point tells it."""
    number = 2 if kind is StepKind.REHEARSAL else 1
    loaded = kind in {StepKind.GROUPS, StepKind.REHEARSAL, StepKind.MARGIN}
    values: dict[str, Any] = {
        "hub": "bu-dang", "point": point, "boot_id": BOOT, "test": test, "step": number,
        "kind": kind, "down": traffic() if loaded else None,
        "up_sender": sender() if loaded else None, "stamp": STAMP, "end": END,
    }  # fmt: skip
    return StepResult(**values | changes)


def hello_of(point: str, connection: int = 1, *, online: bool = True, boot_id: str = BOOT) -> Hello:
    """Return a birth or a will."""
    content: dict[str, Any] = {
        "hub": "bu-dang", "point": point, "boot_id": boot_id, "connection": connection,
        "online": online, "version": "0.1.0", "schema": "diemcau.hello/1",
    }  # fmt: skip
    return Hello(**content)


def devices_result(point: str, *, test: str = "t", status: Status = Status.OK) -> DevicesResult:
    """Return a room with one camera."""
    return DevicesResult(
        hub="bu-dang",
        point=point,
        boot_id=BOOT,
        test=test,
        devices=(DeviceResult(kind=DeviceKind.CAMERA, status=status),),
        host=HostState(medium="cable"),
        logs={"camera.main": "30 frames"},
    )
