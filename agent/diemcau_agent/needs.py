"""One thing that the agent needs, as ``doctor`` tells it."""

from dataclasses import dataclass

from diemcau_contract.causes import Text


def same(text: str) -> Text:
    """Return what reads the same in both languages: a path, a system's own words."""
    return Text(text, text)


@dataclass(frozen=True, slots=True)
class Need:
    """``there`` None: it cannot be said now."""

    key: str
    name: Text
    there: bool | None
    detail: Text = Text("", "")  # noqa: RUF009  # frozen
    mend: str = ""
    """The command that gives it, or that shows why it is missing."""
