"""Commands to a measuring process and its events: one JSON object a line on stdin and stdout.

``python -m diemcau_line hub`` and ``python -m diemcau_line point`` read commands, write events, log
on stderr, and end when stdin closes. Secrets travel through stdin only. Hub and point of one test:

1. server: ``OpenTest`` to its hub process; ticket, flow and secret over MQTT to the agent;
2. agent: ``OpenPoint`` to its point process, which answers ``Opened`` (with the preflight's
   figures), ``Refused`` or ``NoAnswer``; the hub process says ``FlowOpened``;
3. server: ``RunStep``, answered at once by ``StepPlanned`` with the start on the hub's clock, which
   goes over MQTT to the agents and there as ``PointStep`` into their point processes. Steps may be
   planned ahead;
4. after each step and a grace of ``GRACE_SECONDS``: ``HubStepResult`` and ``PointStepResult``;
5. capacity: ``RunCapacity`` for one open flow and direction, answered by ``CapacityPlanned``, whose
   start goes as ``PointCapacity`` into the point process; after the step and a grace of
   ``CAPACITY_GRACE_SECONDS``: ``HubCapacityResult`` and ``PointCapacityResult``, of which the
   receiver's one holds the figures;
6. ``Abort`` stops the traffic at once, ``CloseTest`` ends the test.

A command that cannot be done is answered by ``Failed``, never by the end of the process.
"""

from diemcau_line.protocol.commands import (
    Abort,
    CloseTest,
    Command,
    CutStep,
    HubFlow,
    OpenPoint,
    OpenTest,
    PointCapacity,
    PointStep,
    ReportCounters,
    RunCapacity,
    RunStep,
    SetStampSessions,
    StampSession,
    StartHub,
)
from diemcau_line.protocol.events import (
    Aborted,
    CapacityPlanned,
    Event,
    Failed,
    FlowOpened,
    HubCapacityResult,
    HubCounters,
    HubFlowResult,
    HubReady,
    HubStepResult,
    NoAnswer,
    Opened,
    PointCapacityResult,
    PointStepResult,
    Progress,
    Refused,
    StepPlanned,
    TestClosed,
    TestOpened,
)
from diemcau_line.protocol.lines import (
    ProtocolError,
    decode_command,
    decode_event,
    encode_command,
    encode_event,
)

__all__ = [
    "CAPACITY_GRACE_SECONDS",
    "GRACE_SECONDS",
    "START_AHEAD_SECONDS",
    "Abort",
    "Aborted",
    "CapacityPlanned",
    "CloseTest",
    "Command",
    "CutStep",
    "Event",
    "Failed",
    "FlowOpened",
    "HubCapacityResult",
    "HubCounters",
    "HubFlow",
    "HubFlowResult",
    "HubReady",
    "HubStepResult",
    "NoAnswer",
    "OpenPoint",
    "OpenTest",
    "Opened",
    "PointCapacity",
    "PointCapacityResult",
    "PointStep",
    "PointStepResult",
    "Progress",
    "ProtocolError",
    "Refused",
    "ReportCounters",
    "RunCapacity",
    "RunStep",
    "SetStampSessions",
    "StampSession",
    "StartHub",
    "StepPlanned",
    "TestClosed",
    "TestOpened",
    "decode_command",
    "decode_event",
    "encode_command",
    "encode_event",
]

GRACE_SECONDS = 1.0
"""How long after a step its late packets still count."""
START_AHEAD_SECONDS = 300.0
"""No step is planned further ahead than this."""
CAPACITY_GRACE_SECONDS = 0.7
"""As long as the four LOAD END take."""
