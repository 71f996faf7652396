"""Every RPC of every service, called by an officer who has every role, but at another agency: nothing is done or told.

A method with officer_roles needs an entry in tests/support/officer_requests.py: a request about a record of an agency.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from operator_command.instance_certificates import OFFICER
from operator_command.launcher.instance import Instance, running_instance
from operator_command.officer.preparation import ROLES, prepare_officer
from refusals import Refusal
from servicekit.identity import ADMINISTRATOR
from tests.support.officer_calls import (
    access_of,
    call,
    calling,
    describe_state,
    every_service,
    find_listeners,
    make_records,
    officers_methods,
    sign_and_call,
    stop_workers,
)
from tests.support.officer_requests import CATEGORY, MAPPING, READS, REQUESTS, Records, build_requests
from tests.support.running_instance import PROFILE
from toroku.access.v1 import access_pb2

# Whom a record concerns, only its own service knows.
NOT_HERE = {
    "toroku.officer.v1.OfficerActs.CreateActChallenge": "OFFICER_METHOD_UNKNOWN",
    "toroku.officer.v1.Proposals.GetProposal": "PROPOSAL_UNKNOWN",
    "toroku.officer.v1.Proposals.ApproveProposal": "PROPOSAL_UNKNOWN",
    "toroku.officer.v1.Proposals.RejectProposal": "PROPOSAL_UNKNOWN",
}
# The agency's own officers are refused for what their requests are about only.
ABOUT_THE_RECORD: Mapping[str, str] = {
    "toroku.certificate.v1.Cards.SuspendCard": "BINDING_UNKNOWN",
    "toroku.certificate.v1.Cards.ConfirmCardSuspension": "BINDING_UNKNOWN",
    "toroku.certificate.v1.Cards.ResumeCard": "BINDING_UNKNOWN",
    "toroku.certificate.v1.Cards.UndoBinding": "BINDING_UNKNOWN",
    "toroku.certificate.v1.Cards.ReopenRegistration": "BINDING_UNKNOWN",
    "toroku.certificate.v1.Cards.LinkPredecessor": "BINDING_UNKNOWN",
    "toroku.certificate.v1.Officers.CancelInvitation": "INVITATION_UNKNOWN",
    "toroku.certificate.v1.Officers.ConfirmOfficer": "INVITATION_CLOSED",
    "toroku.certificate.v1.Officers.GrantRole": "OFFICER_HAS_ROLE",
    "toroku.certificate.v1.Officers.WithdrawOfficers": "LAST_ADMINISTRATOR",
    "toroku.officer.v1.Proposals.ApproveProposal": "PROPOSAL_OWN",
    "toroku.qualification.v1.Bidders.ConfirmBidderSuspension": "SUSPENSION_OWN",
    "toroku.qualification.v1.Bidders.EndReview": "BIDDER_NOT_UNDER_REVIEW",
    "toroku.qualification.v1.CardApprovals.DecideCardApproval": "CARD_APPROVAL_UNKNOWN",
}


def test_every_method_for_officers_has_a_request() -> None:
    assert {method.full_name for method in officers_methods()} == set(REQUESTS)
    # The officers of the instance below have every role that there is.
    asked = {role for method in officers_methods() for role in access_of(method).officer_roles}
    assert asked == {*ROLES, ADMINISTRATOR, "history"}


@pytest.mark.requirement("LIF-08")
def test_every_method_for_officers_reads_or_needs_a_signed_act() -> None:
    assert {method.full_name for method in officers_methods() if not access_of(method).act} == READS


@dataclass(frozen=True, slots=True)
class Running:
    """A whole instance whose workers are stopped, so that only calls change anything, and two officers of it."""

    instance: Instance
    owner: str
    stranger: str


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    tmp_path.chmod(0o711)
    async with running_instance(PROFILE, tmp_path / "state", durable=False) as instance:
        owner = instance.profile.mapping(MAPPING).responsible_agency
        stranger = next(agency.code for agency in instance.profile.agencies if CATEGORY not in agency.categories)
        officers = [f"{agency}/{OFFICER}" for agency in (owner, stranger)]
        for officer in officers:
            await asyncio.to_thread(prepare_officer, instance.state, officer, roles=(*ROLES, ADMINISTRATOR))
        await stop_workers(instance)
        yield Running(instance, *officers)


def try_method(instance: Instance, officer: str, service: str, method: MethodDescriptor, records: Records) -> str:
    """Returns why an officer is refused by a method with a request about these records; empty where it is not."""
    known = method.full_name in REQUESTS
    requests = build_requests(method.full_name, records) if known else [GetMessageClass(method.input_type)()]
    try:
        if access_of(method).act:
            sign_and_call(instance, officer, service, method, requests[0])
        else:
            with calling(instance, officer, service) as channel:
                call(channel, method, requests)
    except Refusal as refusal:
        return refusal.reason
    return ""


def try_unsigned(instance: Instance, officer: str, service: str, method: MethodDescriptor, records: Records) -> str:
    """Returns why a method refuses an act that its service was not asked for."""
    (request,) = build_requests(method.full_name, records)
    getattr(request, "act").SetInParent()  # noqa: B009  # every method with acts has it, which no type says
    with calling(instance, officer, service) as channel, pytest.raises(Refusal) as refused:
        call(channel, method, [request])
    return refused.value.reason


@pytest.mark.requirement("LIF-08")
async def test_stranger_with_every_role_is_refused_by_every_method(running: Running, tmp_path: Path) -> None:
    instance, stranger = running.instance, running.stranger
    records = make_records(instance, running.owner, tmp_path / "goods.csv")
    listeners = find_listeners(instance, stranger)
    registries = {"certificate-registry", "qualification-registry", "contact-notification"}
    assert set(listeners["toroku.history.v1.History"]) == registries
    before = describe_state(instance)
    assert before["qualification-registry", "public", "passwords"][0] > 0

    refused: dict[str, set[str]] = {}
    unsigned: dict[str, set[str]] = {}
    offered = [(service, name) for service in every_service() for name in listeners.get(service.full_name, ())]
    for service, listener in offered:
        for method in service.methods:
            # A newcomer is nobody's officer, and has tests of its own.
            if access_of(method).unregistered_officers and not access_of(method).officer_roles:
                continue
            reason = try_method(instance, stranger, listener, method, records)
            refused.setdefault(method.full_name, set()).add(reason)
            if access_of(method).act and access_of(method).officer_scope != access_pb2.OFFICER_SCOPE_RESPONSIBLE_AGENCY:
                reason = try_unsigned(instance, stranger, listener, method, records)
                unsigned.setdefault(method.full_name, set()).add(reason)

    operators = access_pb2.OFFICER_SCOPE_OPERATOR
    of_agencies = {method.full_name for method in officers_methods() if access_of(method).officer_scope != operators}
    # Also a method that no listener offers would be missing here.
    assert {method.full_name for method in officers_methods()} <= set(refused)
    expected = {method: {"AGENCY_NOT_OWN" if method in of_agencies else "CALLER_NOT_ALLOWED"} for method in refused}
    assert unsigned == {method: expected[method] for method in unsigned}
    assert refused == {
        method: reasons | {NOT_HERE[method]} if method in NOT_HERE else reasons for method, reasons in expected.items()
    }
    assert describe_state(instance) == before

    # The same requests are valid: the owner's officer is not refused, but for what some of them are about.
    answers = {
        method.full_name: {
            try_method(instance, running.owner, listener, method, records)
            for listener in listeners[method.containing_service.full_name]
        }
        for method in officers_methods()
        if access_of(method).officer_scope != operators
    }
    about = {method: reasons - {"", NOT_HERE.get(method, "")} for method, reasons in answers.items()}
    assert {method: reasons for method, reasons in about.items() if reasons} == {
        method: {reason} for method, reason in ABOUT_THE_RECORD.items()
    }
    assert describe_state(instance) != before
