"""Fixtures of the agent's tests: a real Mosquitto."""

from tests.brokers import broker as broker  # noqa: PLC0414  # a fixture is found by its name here
