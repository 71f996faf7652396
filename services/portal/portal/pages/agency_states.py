"""How far an act has come at the other agencies (SYN-05)."""

from collections.abc import Sequence
from datetime import UTC, datetime

from instance_profile.model import Profile, Propagation
from portal.domain.journey import Journey, require
from portal.domain.parts import ChangePart, RegistrationPart, RenewalPart
from portal.pages import words
from portal.pages.explained import list_names
from portal.pages.parts import fill_when
from portal.pages.views import AgencyState, Words
from refusals.catalogue import explain
from toroku.agencysync.v1 import propagation_pb2


def find_propagated_act(journey: Journey, profile: Profile) -> str:
    """Returns the id that the propagations of a journey's act have; empty where no other agency follows."""
    if not any(journey.category in agency.categories for agency in profile.agencies if agency.code != journey.agency):
        return ""
    match journey.part:
        case RegistrationPart(receipt=receipt) if receipt is not None:
            return receipt.registration.registration_id if profile.propagation is not Propagation.NONE else ""
        case ChangePart(receipt=receipt) if receipt is not None:
            return receipt.change_id if receipt.propagate and not _is_everywhere(journey, profile) else ""
        case RenewalPart(result=result) if result is not None:
            return result.registration.registration_id if result.propagate else ""
        case _:
            return ""


def list_followed(journey: Journey, profile: Profile) -> tuple[AgencyState, ...]:
    """Returns the agencies where a change counts as soon as it is made: all that follow, unless they do so at night."""
    if not _is_everywhere(journey, profile):
        return ()
    registered = require(journey.find_part(ChangePart).registered)
    return tuple(
        AgencyState(agency=profile.agency(code).name, state=words.STATE_DONE) for code in registered.other_agencies
    )


def choose_of_act(
    propagations: Sequence[propagation_pb2.Propagation], act: str
) -> tuple[propagation_pb2.Propagation, ...]:
    """Returns those of one act, among those of everything that a card did."""
    return tuple(each for each in propagations if each.registration_id == act)


def make_agency_states(
    propagations: Sequence[propagation_pb2.Propagation], category: str, profile: Profile, now: datetime
) -> tuple[AgencyState, ...]:
    """Returns one state for each agency."""
    return tuple(
        AgencyState(agency=profile.agency(each.agency).name, state=_describe(each, category, profile, now))
        for each in propagations
    )


def is_under_way(propagation: propagation_pb2.Propagation, now: datetime) -> bool:
    """Returns whether it is being carried out now, so that it is worth looking again."""
    is_planned = propagation.state == propagation_pb2.PROPAGATION_STATE_PLANNED
    return is_planned and not propagation.reason and propagation.planned_at.ToDatetime(UTC) <= now


def _is_everywhere(journey: Journey, profile: Profile) -> bool:
    part = journey.part
    is_followed = isinstance(part, ChangePart) and part.receipt is not None and part.receipt.propagate
    return is_followed and profile.propagation is not Propagation.NIGHT


def _describe(each: propagation_pb2.Propagation, category: str, profile: Profile, now: datetime) -> Words:
    if each.state == propagation_pb2.PROPAGATION_STATE_DONE:
        return words.STATE_DONE
    if is_under_way(each, now):
        return words.STATE_RUNNING
    is_planned = each.state == propagation_pb2.PROPAGATION_STATE_PLANNED
    if is_planned and not each.reason:
        return fill_when(words.STATE_PLANNED, each.planned_at)
    why = explain(each.reason, {"agency": each.agency}, list_names(profile, each.agency, category))
    text = words.STATE_WAITING if is_planned else words.STATE_REFUSED
    return Words(
        text.ja.format(why=f"{why.ja.what}{why.ja.next}"),
        text.en.format(why=f"{why.en.what} {why.en.next}".rstrip()),
    )
