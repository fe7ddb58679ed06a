"""Who has to act on a cause, as every list and page says it."""

from typing import Final

from diemcau_contract.causes import Cause
from diemcau_server.speech.language import mark

COMMUNE: Final = mark("Commune staff (in the room)")
TECHNICIAN: Final = mark("District technician")
CARRIER: Final = mark("Carrier (told by the district technician)")
_CARRIER_CAUSES: Final = frozenset({Cause.OWN_LINE, Cause.OWN_LINE_UP, Cause.OWN_LINE_DOWN})
_TECHNICIAN_CAUSES: Final = frozenset(
    {
        Cause.HUB_LINE, Cause.HUB_LINE_UP, Cause.HUB_LINE_DOWN, Cause.FIREWALL,
        Cause.AGENT_SILENT, Cause.UNKNOWN, Cause.AUTH, Cause.CRASHED, Cause.LAMP,
    }
)  # fmt: skip


def duty(cause: Cause) -> str:
    """Return who has to act on ``cause``, as a message id."""
    if cause in _CARRIER_CAUSES:
        return CARRIER
    return TECHNICIAN if cause in _TECHNICIAN_CAUSES else COMMUNE
