"""Every RPC for officers, called over open connections by officers who may no longer: nothing is done or told.

What they call was allowed a moment before, and their acts were signed then.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from instance_profile.base import OPERATOR
from operator_command.client.connection import locate_key_files
from operator_command.instance_certificates import ADMINISTRATORS, OFFICER
from operator_command.launcher.instance import Instance, running_instance
from operator_command.officer.preparation import REGISTRY, list_roles, name_person, prepare_officer
from refusals import Refusal
from servicekit.identity import ADMINISTRATOR
from tests.support.officer_calls import (
    access_of,
    call,
    calling,
    describe_state,
    find_listeners,
    issue_officer,
    make_records,
    officers_methods,
    sign,
    sign_and_call,
    stop_workers,
)
from tests.support.officer_requests import MAPPING, REASON, Records, build_requests
from tests.support.running_instance import PROFILE
from tests.support.waiting import wait_until
from toroku.access.v1 import access_pb2
from toroku.certificate.v1 import officers_pb2

CREATE_ACT_CHALLENGE = "toroku.officer.v1.OfficerActs.CreateActChallenge"
OFFICERS = officers_pb2.DESCRIPTOR.services_by_name["Officers"].methods_by_name
# Persons at the agency and at the operator, by what became of them, and as what they are refused.
MOVED, LEFT, EXPIRED = "moved", "left", "expired"
REFUSED_AS: Mapping[str, str] = {
    MOVED: "CALLER_NOT_ALLOWED",
    LEFT: "OFFICER_CERTIFICATE_WITHDRAWN",
    EXPIRED: "CALLER_CERTIFICATE_NOT_VALID",
}
# Of the certificate that expires: as long as its person needs to become an officer, and to be asked for all acts.
SECONDS = 20
# What an officer who may call is told where another service has the record.
ELSEWHERE = {"OFFICER_METHOD_UNKNOWN", "PROPOSAL_UNKNOWN"}


@dataclass(frozen=True, slots=True)
class Running:
    """A whole instance whose workers are stopped, records of an agency, and six officers."""

    instance: Instance
    agency: str
    records: Records


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    tmp_path.chmod(0o711)
    async with running_instance(PROFILE, tmp_path / "state", durable=False) as instance:
        agency = instance.profile.mapping(MAPPING).responsible_agency
        owner = f"{agency}/{OFFICER}"
        await asyncio.to_thread(_prepare, instance, owner)
        records = make_records(instance, owner, tmp_path / "goods.csv")
        for person in (MOVED, LEFT, EXPIRED):
            for officer in (f"{agency}/{person}", f"{OPERATOR}/{person}"):
                issue_officer(instance, officer, timedelta(seconds=SECONDS) if person == EXPIRED else timedelta(days=1))
                await asyncio.to_thread(_prepare, instance, officer)
        await stop_workers(instance)
        yield Running(instance, agency, records)


def _prepare(instance: Instance, officer: str) -> None:
    prepare_officer(instance.state, officer, roles=(*list_roles(officer.partition("/")[0]), ADMINISTRATOR))


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A call that an officer may make, with its signed act where it needs one, over a connection that is open."""

    person: str
    method: MethodDescriptor
    channel: grpc.Channel
    requests: Sequence[Message]

    def find_refusal(self) -> str:
        """Makes the call; returns why it is refused, or nothing."""
        try:
            call(self.channel, self.method, self.requests)
        except Refusal as refusal:
            return refusal.reason
        return ""


@contextmanager
def prepared_calls(running: Running) -> Iterator[list[PreparedCall]]:
    """Yields a call of every person to every method for officers, at each service that offers it."""
    instance = running.instance
    listeners = find_listeners(instance, f"{running.agency}/{OFFICER}")
    with ExitStack() as stack:
        calls = []
        for person in (EXPIRED, MOVED, LEFT):
            channels: dict[tuple[str, str], grpc.Channel] = {}
            for method in officers_methods():
                is_operators = access_of(method).officer_scope == access_pb2.OFFICER_SCOPE_OPERATOR
                officer = f"{OPERATOR if is_operators else running.agency}/{person}"
                for service in listeners[method.containing_service.full_name]:
                    if (officer, service) not in channels:
                        channels[officer, service] = stack.enter_context(calling(instance, officer, service))
                    channel = channels[officer, service]
                    requests = build_requests(method.full_name, running.records)
                    prepared = PreparedCall(person, method, channel, requests)
                    if access_of(method).act:
                        assert _sign(instance, officer, prepared) in {"", *ELSEWHERE}
                    else:
                        assert prepared.find_refusal() in {"", *ELSEWHERE}
                    calls.append(prepared)
        yield calls


def _sign(instance: Instance, officer: str, prepared: PreparedCall) -> str:
    request: Any = prepared.requests[0]
    try:
        sign(instance, officer, prepared.channel, prepared.method, request)
    except Refusal as refusal:
        request.act.SetInParent()
        return refusal.reason
    return ""


def withdraw_roles(instance: Instance, officer: str) -> None:
    """Withdraws all roles of an officer, of which every service knows at once."""
    agency = officer.partition("/")[0]
    for role in (*list_roles(agency), ADMINISTRATOR):
        request = officers_pb2.WithdrawRoleRequest(
            agency=agency, person_id=name_person(officer), role=role, reason=REASON
        )
        (done,) = sign_and_call(instance, ADMINISTRATORS[0], REGISTRY, OFFICERS["WithdrawRole"], request)
        assert not done.not_yet_effective_at


def withdraw(instance: Instance, *officers: str) -> None:
    """Withdraws officers, of which every service knows at once."""
    request = officers_pb2.WithdrawOfficersRequest(
        agency=OPERATOR, person_ids=map(name_person, officers), reason=REASON
    )
    (done,) = sign_and_call(instance, ADMINISTRATORS[0], REGISTRY, OFFICERS["WithdrawOfficers"], request)
    assert (done.withdrawn, list(done.not_yet_effective_at)) == (len(officers), [])


async def wait_until_expired(instance: Instance, officer: str) -> None:
    """Returns when an officer's certificate is not valid any more."""
    file, _ = locate_key_files("officers", officer, instance.state)
    valid_until = x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc

    async def is_past() -> bool:
        return datetime.now(UTC) > valid_until

    await wait_until(is_past)


@pytest.mark.requirement("LIF-08")
async def test_former_officer_is_refused_by_every_method_over_an_open_connection(running: Running) -> None:
    instance = running.instance
    of_both = {person: [f"{agency}/{person}" for agency in (running.agency, OPERATOR)] for person in REFUSED_AS}
    with prepared_calls(running) as calls:
        for officer in of_both[MOVED]:
            withdraw_roles(instance, officer)
        withdraw(instance, *of_both[LEFT])
        for officer in of_both[EXPIRED]:
            await wait_until_expired(instance, officer)
        before = describe_state(instance)
        refused: dict[str, dict[str, set[str]]] = {person: {} for person in REFUSED_AS}
        for prepared in calls:
            refused[prepared.person].setdefault(prepared.method.full_name, set()).add(prepared.find_refusal())
        assert describe_state(instance) == before
    expected = {
        person: {method.full_name: {reason} for method in officers_methods()} for person, reason in REFUSED_AS.items()
    }
    # Whoever has a certificate may ask for acts, for methods of the service alone.
    expected[MOVED][CREATE_ACT_CHALLENGE].add("OFFICER_METHOD_UNKNOWN")
    assert refused == expected
