"""Did the test find what the storyline hid? Said as it is, point by point."""

from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from diemcau_contract.causes import Cause
from diemcau_contract.result import TestResult
from diemcau_contract.words import Verdict
from diemcau_server.demo.storyline import Storyline
from diemcau_server.speech.collation import vietnamese_key
from diemcau_server.speech.language import Speech
from diemcau_server.speech.wording import cause_name, verdict_words


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was hidden at a point and what the test said; ``found`` None: nothing at all."""

    name: str
    hidden: tuple[Verdict, Cause | None]
    found: tuple[Verdict, Cause | None] | None

    @property
    def matches(self) -> bool:
        """Whether verdict and cause are those of the storyline."""
        return self.found == self.hidden


def compare(story: Storyline, result: TestResult) -> list[Comparison]:
    """Hold the result against the storyline, in Vietnamese order."""
    found = {point.point: (point.verdict, point.cause) for point in result.points}
    compared = [
        Comparison(point.name, (point.expect.verdict, point.expect.cause), found.get(point.id))
        for point in story.points
    ]
    return sorted(compared, key=lambda one: vietnamese_key(one.name))


def print_outcome(compared: list[Comparison], console: Console, say: Speech) -> bool:
    """Print every hidden fault and every mismatch; return whether all matched."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in (say("Point"), say("Hidden in the storyline"), say("Found by the test"), ""):
        table.add_column(title)
    for one in compared:
        if one.matches and one.hidden[0] is Verdict.READY:
            continue
        table.add_row(
            Text(one.name),
            Text(_words(one.hidden, say)),
            Text(_words(one.found, say)),
            Text("✓" if one.matches else "✗", style="green" if one.matches else "bold red"),
        )
    good = [one for one in compared if one.hidden[0] is Verdict.READY]
    faulty = [one for one in compared if one.hidden[0] is not Verdict.READY]
    console.print(Text(say("Did the test find what the storyline hid?"), style="bold"))
    console.print(table)
    sentence = say(
        "Faults found with their cause: {found} of {faults}; good points found ready: "
        "{ready} of {good}.",
        found=sum(one.matches for one in faulty), faults=len(faulty),
        ready=sum(one.matches for one in good), good=len(good),
    )  # fmt: skip
    matched = all(one.matches for one in compared)
    ending = say("All as in the storyline.") if matched else say("NOT all as in the storyline.")
    console.print(Text(f"{sentence} {ending}\n", style="bold"), soft_wrap=True)
    return matched


def _words(said: tuple[Verdict, Cause | None] | None, say: Speech) -> str:
    if said is None:
        return say("nothing")
    verdict, cause = said
    words = verdict_words(verdict, say)
    return words if cause is None else f"{words}: {cause_name(cause, say)}"
