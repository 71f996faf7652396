"""How far an act has come at the other agencies (SYN-05)."""

from collections.abc import Sequence

from instance_profile.model import Profile
from portal.pages import words
from portal.pages.parts import fill, fill_when
from portal.pages.views import AgencyState, Words
from refusals.catalogue import explain
from toroku.agencysync.v1 import propagation_pb2


def make_agency_states(
    propagations: Sequence[propagation_pb2.Propagation], profile: Profile
) -> tuple[AgencyState, ...]:
    """Returns one state for each agency, of the newest act."""
    if not propagations:
        return ()
    newest = propagations[0].registration_id
    return tuple(
        AgencyState(agency=profile.agency(each.agency).name, state=_describe(each, profile))
        for each in propagations
        if each.registration_id == newest
    )


def are_under_way(propagations: Sequence[propagation_pb2.Propagation]) -> bool:
    """Returns whether something is being done now, so that it is worth looking again."""
    planned = [each for each in propagations if each.state == propagation_pb2.PROPAGATION_STATE_PLANNED]
    return any(not each.reason for each in planned)


def _describe(each: propagation_pb2.Propagation, profile: Profile) -> Words:
    if each.state == propagation_pb2.PROPAGATION_STATE_DONE:
        return words.STATE_DONE
    agency = profile.agency(each.agency).name
    is_planned = each.state == propagation_pb2.PROPAGATION_STATE_PLANNED
    if is_planned and not each.reason:
        return fill_when(words.STATE_PLANNED, each.planned_at)
    why = explain(each.reason, {"agency_ja": agency.ja, "agency_en": agency.en})
    text = words.STATE_WAITING if is_planned else words.STATE_REFUSED
    return Words(fill(text, why=why.ja.what).ja, fill(text, why=why.en.what).en)
