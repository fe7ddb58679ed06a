"""Tickets: genuine, in time, for a flow of the test, used once (SPEC 5.3)."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diemcau_contract.tickets import (
    Ticket,
    TicketBook,
    TicketError,
    TicketFault,
    flow_token,
    issue,
    verify,
)

KEY = bytes(range(32))
TICKET = Ticket("t1", "bom-bo", 3, 10_000_000, 3_000_000, 1000.0, "0" * 32)
FLOWS = {3}


def fault(text: str, now: float = 999.0, key: bytes = KEY) -> TicketFault:
    """Return why the hub does not take ``text``."""
    with pytest.raises(TicketError) as caught:
        verify(text, key, now, FLOWS)
    return caught.value.reason


def test_a_ticket_comes_back_whole() -> None:
    """What was issued is what the hub reads, up to its last second."""
    assert verify(issue(TICKET, KEY), KEY, 1000.0, FLOWS) == TICKET


def test_each_fault_has_its_name() -> None:
    """Malformed, forged, too late, for no flow of this test."""
    text = issue(TICKET, KEY)

    assert fault("no ticket") is TicketFault.MALFORMED
    assert fault(text, key=bytes(32)) is TicketFault.BAD_SIGNATURE
    assert fault(text, now=1000.1) is TicketFault.EXPIRED
    assert fault(issue(replace(TICKET, flow=4), KEY)) is TicketFault.UNKNOWN_FLOW


def test_a_changed_limit_spoils_the_signature() -> None:
    """Nobody raises his own limits."""
    body, _, signature = issue(TICKET, KEY).partition(".")
    content = json.loads(urlsafe_b64decode(body + "=="))
    content["max_bytes"] = 10**12
    forged = urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()

    assert fault(f"{forged}.{signature}") is TicketFault.BAD_SIGNATURE


def test_a_ticket_is_for_one_address() -> None:
    """A repeated OPEN is answered again; the same ticket from elsewhere is a replay."""
    book = TicketBook(KEY)
    text = issue(TICKET, KEY)

    assert book.take(text, "10.0.0.1:5", 999.0, FLOWS) == TICKET
    assert book.take(text, "10.0.0.1:5", 999.5, FLOWS) == TICKET
    with pytest.raises(TicketError, match=r"replayed: first used by 10\.0\.0\.1:5"):
        book.take(text, "10.0.0.2:5", 999.6, FLOWS)


def test_a_ticket_too_long_or_of_a_bad_flow_is_not_issued() -> None:
    """The server learns of its own mistake at once."""
    with pytest.raises(ValueError, match="at most 1200"):
        issue(replace(TICKET, test="x" * 1200), KEY)
    with pytest.raises(ValueError, match="flow 0"):
        issue(replace(TICKET, flow=0), KEY)


def test_tokens_differ_by_flow_and_secret() -> None:
    """A token tells one flow of one test."""
    tokens = {flow_token(secret, flow) for secret in (b"a" * 16, b"b" * 16) for flow in (1, 2)}

    assert len(tokens) == 4
    assert all(0 <= token < 2**64 for token in tokens)


@given(st.text(max_size=200))
def test_no_text_does_more_than_raise_ticket_error(text: str) -> None:
    """Whatever a packet holds, the hub names a fault."""
    with pytest.raises(TicketError):
        verify(text, KEY, 0.0, FLOWS)
