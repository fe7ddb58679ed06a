"""``diemcau-agent accept``: a technician says that the room is right as it is now."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from diemcau_agent.baseline import COMPARED, FILE_NAME, accept, acceptable, keep, read_baseline
from diemcau_agent.config import AgentConfig
from diemcau_agent.errors import ExitCode, UsageError
from diemcau_contract.causes import DEVICE_NAMES, Language, Text
from diemcau_contract.messages import DeviceResult


def accept_found(
    config: AgentConfig, results: Sequence[DeviceResult], language: Language
) -> ExitCode:
    """Keep the numbers of what is ok or a warning; say what was kept and what was not.

    Raises:
        UsageError: the baseline cannot be written.
    """
    good = [result for result in results if acceptable(result)]
    directory = config.state_directory
    try:
        keep(directory, accept(read_baseline(directory), good, datetime.now(UTC)))
    except OSError as error:
        raise UsageError(
            Text(
                f"không ghi được {directory / FILE_NAME}: {error.strerror}",
                f"cannot write {directory / FILE_NAME}: {error.strerror}",
            )
        ) from error
    rest = [result for result in results if result.kind in COMPARED and result not in good]
    for found, words in (
        (good, Text("Đã ghi nhận", "Accepted")),
        (rest, Text("Chưa ghi nhận (sửa hoặc thử lại trước)", "Not accepted (mend or retry)")),
    ):
        if found:
            names = ", ".join(_name(result, language) for result in found)
            sys.stderr.write(f"{words.in_language(language)}: {names}\n")
    return ExitCode.OK if good and not rest else ExitCode.NOT_OK


def _name(result: DeviceResult, language: Language) -> str:
    name = DEVICE_NAMES[result.kind].in_language(language)
    return name if result.role == "main" else f"{name} ({result.role})"
