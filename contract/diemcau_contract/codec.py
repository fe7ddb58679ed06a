"""Bytes to messages and back (SPEC 3.1)."""

import json
from collections.abc import Mapping
from functools import cache

from pydantic import BaseModel, TypeAdapter, ValidationError

from diemcau_contract import messages
from diemcau_contract.errors import MessageError, RejectReason
from diemcau_contract.messages import MAX_MESSAGE_BYTES
from diemcau_contract.topics import Down, Up, UpTopic

UpMessage = (
    messages.Hello
    | messages.Report
    | messages.StepResult
    | messages.CapacityResult
    | messages.TestNotice
    | messages.DevicesResult
)
DownMessage = (
    messages.Settings
    | messages.Ack
    | messages.TestOpen
    | messages.TestStep
    | messages.TestCapacity
    | messages.TestCut
    | messages.TestEnd
)

_UP: Mapping[Up, tuple[type[BaseModel], ...]] = {
    Up.HELLO: (messages.Hello,),
    Up.REPORT: (messages.Report,),
    Up.RESULT: (
        messages.StepResult,
        messages.CapacityResult,
        messages.TestNotice,
        messages.DevicesResult,
    ),
}
_DOWN: Mapping[Down, tuple[type[BaseModel], ...]] = {
    Down.SETTINGS: (messages.Settings,),
    Down.ACK: (messages.Ack,),
    Down.COMMAND: (
        messages.TestOpen,
        messages.TestStep,
        messages.TestCapacity,
        messages.TestCut,
        messages.TestEnd,
    ),
}


def encode(message: BaseModel) -> bytes:
    """Return the message as UTF-8 JSON.

    Raises:
        MessageError: when it is larger than a message may be.
    """
    payload = message.model_dump_json(by_alias=True).encode()
    if len(payload) > MAX_MESSAGE_BYTES:
        raise MessageError(RejectReason.TOO_LARGE, _size_detail(len(payload)))
    return payload


def decode_up(topic: UpTopic, payload: bytes) -> UpMessage:
    """Read what came on a point's topic.

    Raises:
        MessageError: not JSON, too large, another version, invalid, or a point that speaks
            for another one.
    """
    message = _decode(_UP[topic.kind], payload)
    if (message.hub, message.point) != (topic.hub, topic.point):  # type: ignore[attr-defined]  # every up message is _FromPoint
        detail = f"topic of {topic.hub}/{topic.point}, message of another point"
        raise MessageError(RejectReason.WRONG_POINT, detail)
    return message  # type: ignore[return-value]  # _UP maps to the members of UpMessage


def decode_down(kind: Down, payload: bytes) -> DownMessage:
    """Read what the hub sent on topic ``kind``.

    Raises:
        MessageError: as in decode_up.
    """
    return _decode(_DOWN[kind], payload)  # type: ignore[return-value]  # _DOWN maps to DownMessage


def _decode(classes: tuple[type[BaseModel], ...], payload: bytes) -> BaseModel:
    if len(payload) > MAX_MESSAGE_BYTES:
        raise MessageError(RejectReason.TOO_LARGE, _size_detail(len(payload)))
    try:
        content = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise MessageError(RejectReason.NOT_JSON, str(error)[:200]) from error
    if not isinstance(content, dict):
        raise MessageError(RejectReason.INVALID, "the payload is not a JSON object")
    schema = content.get("schema")
    known = {_schema_of(kind): kind for kind in classes}
    if not isinstance(schema, str) or schema not in known:
        detail = f"schema {str(schema)[:60]!r}, expected {' or '.join(sorted(known))}"
        raise MessageError(RejectReason.WRONG_VERSION, detail)
    try:
        return _adapter(known[schema]).validate_python(content)
    except ValidationError as error:
        raise MessageError(RejectReason.INVALID, _first_error(error)) from error


@cache
def _schema_of(kind: type[BaseModel]) -> str:
    return str(kind.model_fields["schema_"].default)


@cache
def _adapter(kind: type[BaseModel]) -> TypeAdapter[BaseModel]:
    return TypeAdapter(kind)


def _first_error(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where}: {first['msg']}{more}"[:400]


def _size_detail(size: int) -> str:
    return f"{size} bytes, at most {MAX_MESSAGE_BYTES}"
