"""Ids of hubs, points, sessions and profiles as a checked type of messages and files (SPEC 1)."""

from typing import Annotated

from pydantic import StringConstraints

from diemcau_contract.words import ID_PATTERN

Identifier = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
