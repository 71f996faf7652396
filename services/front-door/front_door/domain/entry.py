"""Which agency and category an operation may begin at (ENT-01 to 04)."""

from instance_profile.model import Operation, Profile, Proof
from instance_profile.offers import Offer, make_text_metadata, refuse_field, require_offer, require_operation
from refusals import Code


def require_card_operation(profile: Profile, agency_code: str, category_code: str, operation: Operation) -> Offer:
    """Returns the agency and category with these codes, if a card may be used there for this operation.

    Raises AGENCY_UNKNOWN, CATEGORY_UNKNOWN, CATEGORY_NOT_OFFERED, OPERATION_NOT_OFFERED or CATEGORY_WITHOUT_CARD, each
    with a violation of the field that is wrong.
    """
    offer = require_offer(profile, agency_code, category_code)
    require_operation(profile, offer, operation)
    if offer.category.proof is not Proof.CARD:
        metadata = {
            **make_text_metadata("agency", offer.agency.name),
            **make_text_metadata("category", offer.category.name),
        }
        raise refuse_field("category", "CATEGORY_WITHOUT_CARD", Code.FAILED_PRECONDITION, metadata)
    return offer
