from pathlib import Path

import pytest

from diemcau_line.interfaces import InterfaceCounts, interface_counts

_HEAD = "Inter-|   Receive  |  Transmit\n face |bytes packets errs drop ...\n"


def test_all_interfaces_but_loopback_are_summed_at_the_ip_layer(tmp_path: Path) -> None:
    """Ethernet headers are left out; drops of both ways count."""
    file = tmp_path / "dev"
    file.write_text(
        f"{_HEAD}    lo: 9999 99 0 9 0 0 0 0 9999 99 0 9 0 0 0 0\n"
        "  eth0: 1140 10 0 1 0 0 0 0 2280 20 0 2 0 0 0 0\n"
        "  eth1:1140 10 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
    )

    assert interface_counts(file) == InterfaceCounts(2000, 2000, 3)


@pytest.mark.parametrize("content", [None, "", f"{_HEAD}eth0: 1 2 3\n", f"{_HEAD}eth0: a b\n"])
def test_counters_of_another_form_are_none(tmp_path: Path, content: str | None) -> None:
    """What cannot be read is not guessed."""
    file = tmp_path / "dev"
    if content is not None:
        file.write_text(content)

    found = interface_counts(file)
    assert found is None or found == InterfaceCounts(0, 0, 0)


def test_an_interface_that_vanished_counts_nothing() -> None:
    """Totals that went back are no traffic."""
    assert InterfaceCounts(1, 2, 3).since(InterfaceCounts(5, 1, 3)) == InterfaceCounts(0, 1, 0)
