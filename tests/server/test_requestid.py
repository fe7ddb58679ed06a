"""A request's id: in its answer, in every line that is logged for it, and in the test it begins."""

import json
import logging
import re
from collections.abc import Iterator

import pytest

from diemcau_contract.logs import REQUEST_ID, JsonLines
from diemcau_server.services import Services
from tests.server.test_api import (  # noqa: F401  # fixtures
    LOGIN,
    ORDER,
    TESTS,
    Api,
    api,
    services,
)

MADE = re.compile(r"[0-9a-f]{16}")


class Lines(logging.Handler):
    """Keeps what is logged, as programs read it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(JsonLines())
        self.said: list[dict[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one event."""
        self.said.append(json.loads(self.format(record)))


@pytest.fixture
def log() -> Iterator[Lines]:
    """What the server logs."""
    lines = Lines()
    logger = logging.getLogger("diemcau_server")
    logger.addHandler(lines)
    yield lines
    logger.removeHandler(lines)


async def test_an_id_is_taken_and_given_back(api: Api) -> None:  # noqa: F811  # a fixture
    """Also by what is not found, and by a stream."""
    for path in ("/api/v1/points", "/none"):
        answer = await api.get(path, headers={REQUEST_ID: "an-1.2_3"})
        assert answer.headers[REQUEST_ID] == "an-1.2_3"
    begun = await api.post(TESTS, json=ORDER, headers=LOGIN)
    events = await api.get(f"{TESTS}/{(await begun.json())['test']}/events")
    assert MADE.fullmatch(events.headers[REQUEST_ID])


@pytest.mark.parametrize("given", [None, "", "a" * 65, "a b", "x\ty", "é"])
async def test_without_a_fit_id_one_is_made(
    given: str | None,
    api: Api,  # noqa: F811  # a fixture
) -> None:
    """What could blow up or break a log is replaced; 64 characters are taken."""
    headers = {} if given is None else {REQUEST_ID: given}
    answer = await api.get("/healthz", headers=headers)

    assert MADE.fullmatch(answer.headers[REQUEST_ID])
    long = await api.get("/healthz", headers={REQUEST_ID: "a" * 64})
    assert long.headers[REQUEST_ID] == "a" * 64


async def test_every_line_of_a_test_bears_its_id_and_that_of_who_asked(
    api: Api,  # noqa: F811  # a fixture
    log: Lines,
) -> None:
    """From the first line to the last, long after the request has been answered."""
    begun = await api.post(TESTS, json=ORDER, headers={**LOGIN, REQUEST_ID: "who-asked"})
    test = (await begun.json())["test"]
    events = await api.get(f"{TESTS}/{test}/events")
    await events.read()
    first, *_, last = [one for one in log.said if one.get("test") == test]

    assert first["message"] == "test of 2 points begins: hub bu-dang, asked for by An"
    assert last["message"] == (
        "test ended: hub bu-dang, unknown (points: 2 unknown; the hub's line: unknown)"
    )
    assert {first["request"], last["request"]} == {"who-asked"}
    (asked,) = [one for one in log.said if one["message"].startswith("POST ")]
    assert (asked["level"], asked["request"]) == ("info", "who-asked")


async def test_a_fault_of_ours_names_the_id_under_which_its_trace_is_logged(
    api: Api,  # noqa: F811  # a fixture
    services: Services,  # noqa: F811  # a fixture
    log: Lines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever reads the answer can find the line."""

    async def break_down(_limit: int) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(services.store, "tests", break_down)
    answer = await api.get(TESTS, headers={REQUEST_ID: "find-me"})
    (traced,) = [one for one in log.said if "trace" in one]

    assert answer.status == 500
    message = (await answer.json())["error"]["message"]
    assert "find-me" in message["vi"]
    assert "find-me" in message["en"]
    assert traced["request"] == "find-me"
    assert traced["trace"].endswith("ZeroDivisionError")
    refused = [one for one in log.said if one["message"].endswith(": 500")]
    assert [one["level"] for one in refused] == ["warning"]


async def test_the_token_is_never_logged(
    api: Api,  # noqa: F811  # a fixture
    log: Lines,
) -> None:
    """Neither a right one nor a wrong one, at any level."""
    for word in ("a-secret", "a-wrong-secret"):
        await api.post(TESTS, json=ORDER, headers={"Authorization": f"Bearer {word}"})

    assert log.said
    assert not [one for one in log.said if "secret" in json.dumps(one)]
