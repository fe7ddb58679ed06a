"""How a test can end without a verdict: the list that metrics and dashboards are made from."""

from diemcau_server.coordinator import errors


def test_the_codes_of_ends_are_those_of_the_errors() -> None:
    """A new way to end gets its series, and its word on the dashboards."""
    made = (
        errors.broker_unavailable(),
        errors.cancelled(),
        errors.lines_only(),
        errors.measuring_unavailable(),
        errors.not_stored(),
        errors.stopped_short(),
        errors.took_too_long(60),
    )
    assert sorted(one.code for one in made) == sorted(errors.ENDS_WITHOUT_RESULT)
