"""The agency that a command about a roster acts for: the officer's own, unless another one is named."""

from instance_profile.base import OPERATOR
from operator_command.officer.acts.session import ActingSession
from refusals import Code, Refusal


def choose_agency(session: ActingSession, named: str | None) -> str:
    """Returns the code of the named agency, otherwise that in the officer's certificate.

    Raises AGENCY_NOT_NAMED where the certificate tells no agency: the operator's officers act for all.
    """
    agency = named if named is not None else session.find_agency()
    if agency is None or agency == OPERATOR:
        raise Refusal("AGENCY_NOT_NAMED", Code.INVALID_ARGUMENT)
    return agency
