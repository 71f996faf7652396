"""自動反映: how far what a card did has come at the other agencies (SYN-05)."""

import contextlib
from collections.abc import Iterable, Sequence
from itertools import groupby

from card_agent.clock import JAPAN
from card_agent.console import propagation_words
from card_agent.console.person import Person, Row
from card_agent.console.words import Words, to_words
from card_agent.operation.at_agency import AtAgency
from card_agent.operation.calls import call, call_for
from card_agent.operation.sessions import CardSession
from card_agent.signing.certificate import format_japanese_time
from refusals import Refusal
from refusals.catalogue import explain
from toroku.agencysync.v1 import propagation_pb2
from toroku.frontdoor.v1 import front_door_pb2
from toroku.frontdoor.v1.propagations_pb2 import ListOwnPropagationsRequest

# Seconds for what is shown besides, after something was done.
_SECONDS = 3.0

_TITLES = {
    propagation_pb2.PROPAGATION_KIND_REGISTRATION: propagation_words.REGISTRATION,
    propagation_pb2.PROPAGATION_KIND_CHANGE: propagation_words.CHANGE,
    propagation_pb2.PROPAGATION_KIND_RENEWAL: propagation_words.RENEWAL,
}

Propagations = Sequence[propagation_pb2.Propagation]


def list_own(at_agency: AtAgency, session: CardSession) -> Propagations:
    """Returns what became of everything that the session's card did at its agency; raises the server's refusals."""
    service = at_agency.front_door.propagations
    return call_for(at_agency.person, service.ListOwnPropagations, _request(at_agency, session)).propagations


def list_planned(at_agency: AtAgency, session: CardSession) -> Propagations:
    """Returns what is planned for tonight, as far as it is known already; raises nothing.

    Where everything is propagated at once, nobody is asked.
    """
    if at_agency.instance.propagation != front_door_pb2.PROPAGATION_TIME_NIGHT:
        return ()
    # What was done is done, whether or not the plan can be shown.
    with contextlib.suppress(Refusal):
        service, request = at_agency.front_door.propagations, _request(at_agency, session)
        own = call(service.ListOwnPropagations, request, seconds=_SECONDS).propagations
        return [each for each in own if each.state == propagation_pb2.PROPAGATION_STATE_PLANNED]
    return ()


def show_planned(
    person: Person, instance: front_door_pb2.Instance, planned: Propagations, *, follows: bool = True
) -> None:
    """Shows, after something was done, that the other agencies follow tonight, and which ones as far as is known."""
    if not follows or instance.propagation != front_door_pb2.PROPAGATION_TIME_NIGHT:
        return
    person.show_message(propagation_words.BY_NIGHT)
    show_propagations(person, instance, planned)
    person.show_message(propagation_words.ASK_LATER)


def name_choice(instance: front_door_pb2.Instance, follows: Words, otherwise: Words, *, propagate: bool) -> Words:
    """Returns whether the other agencies follow, in these words, and when they do if that is not at once."""
    if not propagate:
        return otherwise
    if instance.propagation != front_door_pb2.PROPAGATION_TIME_NIGHT:
        return follows
    return propagation_words.add_night(follows)


def show_propagations(person: Person, instance: front_door_pb2.Instance, propagations: Propagations) -> None:
    """Shows the state of each act at each other agency."""
    for _, of_act in groupby(propagations, key=lambda propagation: propagation.registration_id):
        act = list(of_act)
        person.show(_TITLES.get(act[0].kind, propagation_words.REGISTRATION), _list_rows(instance, act))


def _list_rows(instance: front_door_pb2.Instance, act: Iterable[propagation_pb2.Propagation]) -> list[Row]:
    names = {agency.code: to_words(agency.name) for agency in instance.agencies}
    return [
        (names.get(propagation.agency, Words(propagation.agency, propagation.agency)), _describe(instance, propagation))
        for propagation in act
    ]


def _describe(instance: front_door_pb2.Instance, propagation: propagation_pb2.Propagation) -> Words:
    if propagation.state == propagation_pb2.PROPAGATION_STATE_DONE:
        return propagation_words.DONE
    if propagation.reason:
        is_refused = propagation.state == propagation_pb2.PROPAGATION_STATE_REFUSED
        template = propagation_words.REFUSED if is_refused else propagation_words.WAITING
        words = explain(propagation.reason, {"agency": propagation.agency}, _name_all(instance, propagation.agency))
        return Words(
            template.ja.format(why=f"{words.ja.what}{words.ja.next}"),
            template.en.format(why=f"{words.en.what} {words.en.next}".rstrip()),
        )
    when = format_japanese_time(propagation.planned_at.ToDatetime(tzinfo=JAPAN))
    return Words(propagation_words.PLANNED.ja.format(when=when), propagation_words.PLANNED.en.format(when=when))


def _name_all(instance: front_door_pb2.Instance, agency: str) -> dict[str, str]:
    desk = instance.help_desk
    names = {"help_desk_ja": desk.name.ja, "help_desk_en": desk.name.en} if desk.HasField("name") else {}
    for known in instance.agencies:
        if known.code == agency:
            names |= {"agency_ja": known.name.ja, "agency_en": known.name.en}
    return names


def _request(at_agency: AtAgency, session: CardSession) -> ListOwnPropagationsRequest:
    return ListOwnPropagationsRequest(
        session_token=session.token, agency=at_agency.agency.code, category=at_agency.category.code
    )
