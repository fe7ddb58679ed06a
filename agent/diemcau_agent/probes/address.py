"""Addresses of room equipment on the network, as the agent's file gives them."""

from urllib.parse import quote, urlsplit


def equipment_host_port(url: str, default_port: int) -> tuple[str, int]:
    """Return host and port of an address that the file's check has passed."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or default_port


def with_login(url: str, username: str, password: str) -> str:
    """Return the address of a stream with a login in it, the only place where FFmpeg takes one."""
    if not username:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{quote(username, safe='')}:{quote(password, safe='')}@{rest}"
