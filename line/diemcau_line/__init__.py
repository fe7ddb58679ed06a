"""The measuring engine: what sends, stamps and counts at both ends of a line.

Synchronous, on the standard library and the contract alone. Runs in processes of its own
(``python -m diemcau_line hub`` and ``point``, driven by JSON lines: ``protocol``, ``worker``);
``light.LightFlow`` is the always-on STAMP flow for a thread of the agent.
"""
