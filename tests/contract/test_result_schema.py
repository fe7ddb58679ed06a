from importlib.resources import files

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
