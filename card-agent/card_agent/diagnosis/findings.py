"""What was found, in sections, each finding with what to do where something is not as it should be."""

from collections.abc import Sequence
from dataclasses import dataclass

from card_agent.console.words import Words
from refusals import Refusal
from refusals.catalogue import NEUTRAL_NAMES, explain_refusal


@dataclass(frozen=True, slots=True)
class Finding:
    """A label and a value. `advice` says what to do where `is_problem`, or what the reader should know."""

    label: Words
    value: Words | str
    is_problem: bool = False
    advice: Words | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """Findings under a heading."""

    title: Words
    findings: tuple[Finding, ...]


def find_refused(label: Words, refusal: Refusal) -> Finding:
    """Returns the finding for what was refused, with the words and the reason of the catalogue."""
    explanation = explain_refusal(refusal, NEUTRAL_NAMES)
    reason = f"[{refusal.reason}]"
    return Finding(
        label,
        Words(f"{explanation.ja.what} {reason}", f"{explanation.en.what} {reason}"),
        is_problem=True,
        advice=Words(explanation.ja.next, explanation.en.next),
    )


def count_problems(sections: Sequence[Section]) -> int:
    """Returns how many findings are problems."""
    return sum(finding.is_problem for section in sections for finding in section.findings)
