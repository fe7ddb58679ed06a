"""Addresses of room equipment on the network, as the agent's file gives them."""

from typing import Final
from urllib.parse import SplitResult, quote, urlsplit

SCHEMES: Final = {
    "pjlink": ("pjlink://",),
    "sip": ("sip://",),
    "h323": ("h323://",),
    "xapi": ("http://", "https://"),
    "rtsp": ("rtsp://", "rtsps://"),
}
"""Forms of a source that are reached by an address, with what the address begins with."""


def equipment_host_port(url: str, default_port: int) -> tuple[str, int]:
    """Return host and port of an address that ``checked_address`` has passed."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or default_port


def checked_address(source_format: str, url: str) -> SplitResult:
    """Split an address of equipment.

    Only that of a stream (rtsp) has a path and a query.

    Raises:
        ValueError: not ``SCHEME://HOST[:PORT]``; with a login, which belongs in a file of its own.
    """
    parts = urlsplit(url)
    if f"{parts.scheme}://" not in SCHEMES[source_format] or not parts.hostname or parts.port == 0:
        raise ValueError("not SCHEME://HOST[:PORT]")
    if "@" in parts.netloc or "@" in parts.fragment:
        raise ValueError("with a login")
    if source_format == "rtsp":
        return parts
    allowed = {"", "transport=tcp", "transport=udp"} if source_format == "sip" else {""}
    if "@" in url or parts.path.strip("/") or parts.query not in allowed or parts.fragment:
        raise ValueError("more than SCHEME://HOST[:PORT]")
    return parts


def with_login(url: str, username: str, password: str) -> str:
    """Return the address of a stream with a login in it, the only place where FFmpeg takes one."""
    if not username:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{quote(username, safe='')}:{quote(password, safe='')}@{rest}"
