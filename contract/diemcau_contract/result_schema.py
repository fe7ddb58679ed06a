"""JSON Schema of ``diemcau.test/1``, made from its model and shipped as a file (SPEC 8).

The file is written by ``python -c "from diemcau_contract.result_schema import text;
print(text(), end='')" > contract/diemcau_contract/schema/test-1.schema.json``; a test holds both
to each other.
"""

import json
from typing import Any

from diemcau_contract.result import TestResult

FILE_NAME = "test-1.schema.json"


def schema() -> dict[str, Any]:
    """Return the schema: every key is present in a result, and no other is."""
    made = TestResult.model_json_schema(mode="serialization", by_alias=True)
    for definition in (made, *made.get("$defs", {}).values()):
        _tighten(definition)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:{FILE_NAME}"}
    return head | made


def text() -> str:
    """Return the schema as it stands in the file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def _tighten(definition: dict[str, Any]) -> None:
    properties: dict[str, Any] = definition.get("properties", {})
    if properties:
        definition["required"] = list(properties)
        definition["additionalProperties"] = False
    for name, value in properties.items():
        if name.endswith("_at"):
            for form in value.get("anyOf", [value]):
                if form.get("type") == "string":
                    form |= {"format": "date-time", "pattern": "Z$"}
