"""Whether the other agencies follow an operation: who decides it, the user or the instance (SYN-04)."""

from instance_profile.model import Operation, Profile, Propagation
from refusals import Code, Refusal


def require_propagation_choice(profile: Profile, operation: Operation, *, propagate: bool) -> None:
    """Returns if the user may choose this at a change or a renewal, or if the instance does it anyway.

    Raises CHANGE_PROPAGATION_NOT_CHOSEN, RENEWAL_PROPAGATION_NOT_CHOSEN.
    """
    if operation in profile.list_propagation_choices():
        return
    if propagate != (profile.propagation is not Propagation.NONE):
        if operation is Operation.CHANGE:
            raise Refusal("CHANGE_PROPAGATION_NOT_CHOSEN", Code.INVALID_ARGUMENT)
        raise Refusal("RENEWAL_PROPAGATION_NOT_CHOSEN", Code.INVALID_ARGUMENT)
