"""Whether a form is the one that a card signed the hash of."""

from front_door.domain.card_session import SignedPurpose
from refusals import Code, Refusal
from signed_acts.purpose import decode, require_act


def require_form_of_act(form_sha256: bytes, signed: SignedPurpose) -> None:
    """Raises FORM_DIFFERS_FROM_ACT unless an act is for the form with this hash; as `decode` for what is no purpose.

    Whether the card signed these bytes is certificate-registry's to check.
    """
    if require_act(decode(signed.purpose)).request_sha256 != form_sha256:
        raise Refusal("FORM_DIFFERS_FROM_ACT", Code.INVALID_ARGUMENT)
