"""A broker's address and login as both programs' files say them (SPEC 7)."""

import re
import ssl
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
)

from diemcau_contract.causes import Text
from diemcau_contract.errors import ValueMistake

_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_CERTIFICATE: Final = re.compile(
    rb"-----BEGIN (?P<kind>(?:TRUSTED |X509 )?CERTIFICATE)-----[\sA-Za-z0-9+/=]+"
    rb"-----END (?P=kind)-----"
)


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """``mqtt://host[:port]`` or ``mqtts://host[:port]``, taken apart."""

    host: str
    port: int
    tls: bool


def broker_url(url: str) -> BrokerUrl:
    """Take ``url`` apart.

    Raises:
        ValueMistake: it is none; the sentence does not repeat it, for it may hold a password.
    """
    if "@" in url:
        raise ValueMistake(
            "không được chứa tài khoản; dùng username và password_file",
            "must not hold a login; use username and password_file",
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        check_host(host or "")
    except ValueError as error:
        raise ValueMistake(
            "không phải URL hợp lệ, như mqtt://HOST[:PORT] với cổng từ 1 đến 65535",
            "is not a URL such as mqtt://HOST[:PORT] with a port of 1 to 65535",
        ) from error
    if parts.scheme not in _PORTS or not host:
        raise ValueMistake(
            "phải là mqtt://HOST[:PORT] hoặc mqtts://HOST[:PORT]",
            "must be mqtt://HOST[:PORT] or mqtts://HOST[:PORT]",
        )
    rest = parts.path.strip("/") + parts.query + parts.fragment
    if port == 0 or rest or re.search(r"\s", url):
        raise ValueMistake(
            "chỉ được gồm mqtt:// hoặc mqtts://, tên máy và cổng (1 đến 65535)",
            "must hold nothing but scheme, host and port (1 to 65535)",
        )
    return BrokerUrl(host, port or _PORTS[parts.scheme], parts.scheme == "mqtts")


def check_host(host: str) -> None:
    """See that ``host`` can be looked up; whether it is there is another matter.

    Raises:
        ValueMistake: it cannot.
    """
    try:
        host.encode("idna")  # as the system's look-up does, which has no clear words for it
    except UnicodeError as error:
        raise ValueMistake(
            "không phải tên máy hay địa chỉ IP", "is no host name and no IP address"
        ) from error


def _checked(url: str) -> str:
    broker_url(url)
    return url


class BrokerSection(BaseModel):
    """The section ``broker`` of a file, as far as both programs have it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, AfterValidator(_checked)]
    username: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    password_file: Annotated[str, Field(min_length=1)] | None = None
    ca_file: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("password_file")
    @classmethod
    def _needs_username(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("username", "") is None:
            raise ValueMistake("cần có username đi kèm", "needs a username beside it")
        return value

    @field_validator("ca_file")
    @classmethod
    def _needs_tls(cls, value: str | None, info: ValidationInfo) -> str | None:
        url = info.data.get("url", "mqtts:")
        if value is not None and not url.lower().startswith("mqtts:"):
            raise ValueMistake("chỉ dùng với mqtts://", "is of use with mqtts:// only")
        return value


def ca_content_mistake(content: bytes) -> Text | None:
    """Say why ``content`` is no certificate authority's file (PEM), or None."""
    blocks = b"\n".join(found.group() for found in _CERTIFICATE.finditer(content)).decode()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=blocks)
    except (ssl.SSLError, ValueError):
        return Text("không chứa chứng chỉ PEM nào dùng được", "holds no usable PEM certificate")
    return None
