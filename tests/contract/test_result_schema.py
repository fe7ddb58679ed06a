import json
from importlib.resources import files
from typing import Any

import pytest

import diemcau_contract
from diemcau_contract.result_schema import FILE_NAME, schema, text


def test_the_shipped_schema_is_that_of_the_model() -> None:
    """The file in the package says what the model says; its module tells how to write it anew."""
    shipped = files(diemcau_contract).joinpath("schema", FILE_NAME).read_text(encoding="utf-8")

    assert shipped == text()


def test_the_schema_is_strict() -> None:
    """Every object of fixed keys requires each of them and allows no other."""
    made = schema()
    objects = [one for one in (made, *made["$defs"].values()) if "properties" in one]

    assert len(objects) > 10
    for one in objects:
        assert one["required"] == list(one["properties"])
        assert one["additionalProperties"] is False


def test_the_schema_has_the_keys_of_the_design() -> None:
    """The outermost object has the settled keys in their settled order."""
    assert list(schema()["properties"]) == [
        "schema", "test", "hub", "session", "profile", "started_at", "duration_seconds",
        "verdict", "hub_line", "points",
    ]  # fmt: skip


def _keys(made: dict[str, Any], *path: str) -> set[str]:
    """Return the keys of the object that ``path`` leads to; "[]" goes into a list."""
    place = made
    for step in path:
        place = place["items"] if step == "[]" else place["properties"][step]
        forms = [form for form in place.get("anyOf", [place]) if form.get("type") != "null"]
        assert len(forms) == 1, f"{step} has {len(forms)} forms"
        place = forms[0]
        if "$ref" in place:
            place = made["$defs"][place["$ref"].removeprefix("#/$defs/")]
    assert place["type"] == "object"
    assert set(place["required"]) == set(place["properties"])
    assert place["additionalProperties"] is False
    return set(place["properties"])


_DIRECTION = {
    "packets_sent", "packets_received", "loss_ratio", "loss_ratio_worst_200ms",
    "queue_delay_seconds", "jitter_seconds", "reorder_ratio", "late_frame_ratio",
}  # fmt: skip
_POINT = ("points", "[]")
_LINE = (*_POINT, "line")


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        (("hub_line",), {"verdict", "cause", "up", "down"}),
        (("hub_line", "up"), {"offered_bits_per_second", "carried_bits_per_second"}),
        (("hub_line", "down"), {"offered_bits_per_second", "carried_bits_per_second"}),
        (
            _POINT,
            {
                "point", "name", "verdict", "confidence", "cause", "action", "line", "devices",
                "findings",
            },
        ),
        ((*_POINT, "action"), {"vi", "en"}),
        (_LINE, {"idle", "up", "down", "loaded_rtt_seconds", "capacity"}),
        ((*_LINE, "idle"), {"rtt_seconds", "packets_sent", "packets_received"}),
        ((*_LINE, "idle", "rtt_seconds"), {"min", "p50", "p95", "max"}),
        ((*_LINE, "up"), _DIRECTION),
        ((*_LINE, "up", "queue_delay_seconds"), {"p50", "p95", "p99"}),
        ((*_LINE, "down"), _DIRECTION),
        ((*_LINE, "down", "queue_delay_seconds"), {"p50", "p95", "p99"}),
        ((*_LINE, "loaded_rtt_seconds"), {"p50", "p95"}),
        (
            (*_LINE, "capacity"),
            {"up_bits_per_second", "down_bits_per_second", "measured_at"},
        ),
        ((*_POINT, "devices", "[]"), {"kind", "role", "status", "causes", "values"}),
        ((*_POINT, "findings", "[]"), {"rule", "status", "value", "limit", "unit"}),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_every_inner_object_has_exactly_the_settled_keys(
    path: tuple[str, ...], keys: set[str]
) -> None:
    """Whoever reads ``test-line --json`` finds these keys, all of them and no other, for ever."""
    shipped = files(diemcau_contract).joinpath("schema", FILE_NAME).read_text(encoding="utf-8")

    assert _keys(json.loads(shipped), *path) == keys
