"""Which commit a server was built from."""

from pathlib import Path

import pytest

from diemcau_server.server_series import ServerSeries


@pytest.mark.parametrize("commit", ["", "0123456789ab", "0123456789ab-dirty"])
def test_a_server_says_what_its_build_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commit: str
) -> None:
    """An empty label where nobody has."""
    monkeypatch.setattr("diemcau_server.revision.resources.files", lambda _package: tmp_path)
    if commit:
        (tmp_path / "revision.txt").write_text(f"{commit}\n")
    (info,) = [one for one in ServerSeries().registry.collect() if one.name == "diemcau_build_info"]

    assert [one.labels["revision"] for one in info.samples] == [commit]
