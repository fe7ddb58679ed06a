"""Display probe. Runs in a child process; it opens nothing and shows nothing.

Settings: ``format`` ``system`` (an output of the PC; ``device``: a connector or a part of the
display's name, None: any but the PC's own panel) or ``pjlink`` (``url``, ``password``, ``input``).
"""

from collections.abc import Mapping
from pathlib import Path

from diemcau_agent.probes.outputs import look_at_outputs
from diemcau_agent.probes.result import ProbeResult


def probe(settings: Mapping[str, object]) -> ProbeResult:
    """Look at the display that the settings name."""
    if settings["format"] == "pjlink":
        from diemcau_agent.probes.projector import look_at_projector  # noqa: PLC0415  # where used

        return look_at_projector(settings)
    pattern = settings.get("device")
    root = Path(str(settings.get("root", "/")))
    return look_at_outputs(str(pattern) if pattern else None, root)
