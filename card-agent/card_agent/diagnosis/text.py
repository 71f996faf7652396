"""A diagnosis as text, for a file that a contractor sends to the help desk."""

from collections.abc import Sequence

from card_agent.console import diagnosis_words as words
from card_agent.console.terminal import replace_invisible
from card_agent.console.words import Words, say
from card_agent.diagnosis.findings import Finding, Section, count_problems
from refusals.language import Language


def write_text(sections: Sequence[Section], language: Language) -> str:
    """Returns all sections, and how many problems there are, as lines of text."""
    lines: list[str] = []
    for section in sections:
        lines += [f"■ {say(section.title, language)}"]
        for finding in section.findings:
            lines.append(f"  {say(finding.label, language)}: {say(say_value(finding), language)}")
            lines += [f"  | {line}" for line in list_advice(finding, language)]
        lines.append("")
    lines += [say(words.count_problems(count_problems(sections)), language), say(words.NO_SECRET, language)]
    return "".join(f"{replace_invisible(line)}\n" for line in lines)


def say_value(finding: Finding) -> Words | str:
    """Returns the value of a finding, marked where it is a problem."""
    if not finding.is_problem:
        return finding.value
    ja, en = say(finding.value, "ja"), say(finding.value, "en")
    return Words(f"【{words.PROBLEM.ja}】{ja}", f"[{words.PROBLEM.en}] {en}")


def list_advice(finding: Finding, language: Language) -> Sequence[str]:
    """Returns the lines that say what to do; none where nothing has to be done."""
    return say(finding.advice, language).splitlines() if finding.advice is not None else ()
