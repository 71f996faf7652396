"""What suspensions by one officer have in common, whatever is suspended: another person confirms, or they lapse."""

from refusals import Code, Refusal
from servicekit.identity import find_person

# Working days after that of the act, at whose end a suspension lapses that nobody else confirmed.
DAYS_UNTIL_LAPSE = 3


def require_confirmable(*, suspended_by: str, confirmed_by: str | None, officer: str) -> None:
    """Checks that an officer may confirm a suspension; officers are named as agency/person.

    Raises SUSPENSION_CONFIRMED, and SUSPENSION_OWN for the person who suspended, under whichever certificate.
    """
    if confirmed_by is not None:
        raise Refusal("SUSPENSION_CONFIRMED", Code.FAILED_PRECONDITION)
    if find_person(officer) == find_person(suspended_by):
        raise Refusal("SUSPENSION_OWN", Code.PERMISSION_DENIED)
