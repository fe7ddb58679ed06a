"""Broker accounts: random passwords, and what Mosquitto keeps of them."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final

_PASSWORD_BYTES: Final = 24
_SALT_BYTES: Final = 12
_ROUNDS: Final = 101
"""Mosquitto's own number; a random password of 192 bits needs no more."""


def new_password() -> str:
    """Return 192 random bits as text."""
    return secrets.token_urlsafe(_PASSWORD_BYTES)


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the broker; the name of a point's is ``hub.point``: no id holds a dot."""

    name: str
    password: str = field(repr=False)

    @classmethod
    def new(cls, name: str) -> "Account":
        """Return an account with a password of its own."""
        return cls(name, new_password())

    def line(self) -> str:
        """Return its line of a password file (mosquitto_passwd(1), PBKDF2 with SHA-512)."""
        salt = secrets.token_bytes(_SALT_BYTES)
        hashed = hashlib.pbkdf2_hmac("sha512", self.password.encode(), salt, _ROUNDS)
        shown = (base64.b64encode(part).decode() for part in (salt, hashed))
        return f"{self.name}:$7${_ROUNDS}${'$'.join(shown)}"
