"""Errors of the server.

ServerError             one clear sentence for whoever starts the server
├── StoreError          the store cannot be opened, read or written
├── BrokerError         the embedded broker cannot start
│   └── PublishError    a message did not reach the broker
└── StartError          a port is taken, a directory cannot be made
"""


class ServerError(Exception):
    """Root: ``str()`` of it is fit to be shown to a user."""


class StoreError(ServerError):
    """The store cannot be used now; what was not committed must be tried again."""


class BrokerError(ServerError):
    """The broker cannot be used."""


class PublishError(BrokerError, ConnectionError):
    """A message was not taken by the broker: there is no session, or it did not answer in time."""


class StartError(ServerError):
    """Something that the server needs at its start is not to be had."""
