"""The person's agreement, without which nothing is signed or sent."""

from card_agent.console import words
from card_agent.console.person import Answer, Person
from card_agent.console.words import Words
from refusals import Code, Refusal


def agree(person: Person, question: Words, *, may_go_back: bool, given_up: str, yes: Words = words.YES) -> bool:
    """Returns whether the person agrees or, with `may_go_back`, goes back; raises `given_up`."""
    answer = person.confirm(question, may_go_back=may_go_back, yes=yes)
    if answer is Answer.YES:
        return True
    if answer is Answer.BACK and may_go_back:
        return False
    raise Refusal(given_up, Code.ABORTED)
