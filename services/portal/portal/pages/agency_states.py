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
    why = explain(each.reason, {"agency_ja": agency.ja, "agency_en": agency.en}) if each.reason else None
    if each.state == propagation_pb2.PROPAGATION_STATE_PLANNED:
        if why is None:
            return fill_when(words.STATE_PLANNED, each.planned_at)
        return Words(fill(words.STATE_WAITING, why=why.ja.what).ja, fill(words.STATE_WAITING, why=why.en.what).en)
    text = why or explain("UNKNOWN_REASON")
    return Words(fill(words.STATE_REFUSED, why=text.ja.what).ja, fill(words.STATE_REFUSED, why=text.en.what).en)
