"""A room's devices in the file of names: what an agent takes, for this side may not ask it."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from diemcau_contract.errors import ValueMistake
from diemcau_contract.identifiers import Identifier

FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "camera": ("v4l2", "dshow", "lavfi", "rtsp"),
    "microphone": ("system", "lavfi"),
    "speaker": ("system",),
    "display": ("system", "pjlink"),
    "codec": ("sip", "h323", "xapi"),
}
"""Forms of source by kind of device: those of the agent's probes, held equal by a test."""

Text = Annotated[str, Field(min_length=1, max_length=2000)]


class NamedSource(BaseModel):
    """How a device is reached; the agent checks the address itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["v4l2", "dshow", "rtsp", "lavfi", "system", "pjlink", "sip", "h323", "xapi"]
    url: Text | None = None
    username: Text | None = None
    password_file: Text | None = None
    ca_file: Text | None = None

    @model_validator(mode="after")
    def _has_url(self) -> Self:
        if self.url is None and self.format != "system":
            raise ValueMistake(
                f"nguồn dạng {self.format} cần có url",
                f"a source of format {self.format} needs a url",
            )
        return self


class NamedDevice(BaseModel):
    """One device, with the keys of an agent's file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["camera", "microphone", "speaker", "display", "codec"]
    role: Identifier = "main"
    source: NamedSource
    width: int | None = None
    height: int | None = None
    frames_per_second: float | None = None
    input: str | None = None
    microphone: Identifier | None = None
    echo_canceller: bool | None = None

    @model_validator(mode="after")
    def _of_its_kind(self) -> Self:
        if self.source.format not in FORMATS[self.kind]:
            allowed = FORMATS[self.kind]
            raise ValueMistake(
                f"{self.kind} không có dạng {self.source.format}; dùng {' hoặc '.join(allowed)}",
                f"format {self.source.format} is none of a {self.kind}; use {' or '.join(allowed)}",
            )
        return self


def _once_each(devices: tuple[NamedDevice, ...]) -> tuple[NamedDevice, ...]:
    keys = [f"{device.kind} {device.role}" for device in devices]
    doubled = ", ".join(sorted({key for key in keys if keys.count(key) > 1}))
    if doubled:
        raise ValueMistake(
            f"mỗi loại và vai trò chỉ ghi một lần; bị trùng: {doubled}",
            f"each kind and role once; doubled: {doubled}",
        )
    return devices


def _as_tuple(value: object) -> object:
    """Take a list for a tuple: behind a validator of ours, types are Python's and strict."""
    return tuple(value) if isinstance(value, list) else value


Devices = Annotated[
    tuple[NamedDevice, ...],
    Field(max_length=64),
    BeforeValidator(_as_tuple),
    AfterValidator(_once_each),
]
