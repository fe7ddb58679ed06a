"""Errors of the server.

ServerError             one clear sentence for whoever starts the server
├── StoreError          the store cannot be opened, read or written
├── BrokerError         the embedded broker cannot start
│   └── PublishError    a message did not reach the broker
├── StartError          a port is taken, a directory cannot be made
└── FaultError          a part has ended by a fault of the program, which is its cause
"""

from diemcau_contract.causes import Text


class ServerError(Exception):
    """Root: its ``text`` is fit to be shown to a user; ``str()`` is the English of it.

    A plain sentence serves both languages, where only the log reads it.
    """

    def __init__(self, text: Text | str) -> None:
        self.text = Text(text, text) if isinstance(text, str) else text
        super().__init__(self.text.en)


class StoreError(ServerError):
    """The store cannot be used now; what was not committed must be tried again."""


class BrokerError(ServerError):
    """The broker cannot be used."""


class PublishError(BrokerError, ConnectionError):
    """A message was not taken by the broker: there is no session, or it did not answer in time."""


class StartError(ServerError):
    """Something that the server needs at its start is not to be had."""


class FaultError(ServerError):
    """A part of the server has ended by a fault of the program, which is its ``__cause__``."""
