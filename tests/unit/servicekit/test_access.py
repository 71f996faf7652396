"""The access option: by default nobody may call a method."""

import itertools
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor

from refusals import Refusal
from servicekit.access import ListenerKind, build_access_table, check_caller, check_own_agency
from servicekit.identity import ANYONE, OPERATOR, Caller, Kind
from toroku.access.v1 import access_pb2
from toroku.certificate.v1 import certificate_registry_pb2 as certificate
from toroku.certificate.v1 import user_lookup_pb2
from toroku.contact.v1 import contact_notification_pb2 as contact
from toroku.frontdoor.v1 import entry_pb2 as entry
from toroku.frontdoor.v1 import registration_pb2 as registration
from toroku.officer.v1 import proposals_pb2

RESOLVE = "/toroku.certificate.v1.UserLookup/ResolveUser"
# The services that are made here depend on its file.
PROPOSALS = proposals_pb2.DESCRIPTOR
LOOKUP = user_lookup_pb2.DESCRIPTOR.services_by_name["UserLookup"]
REGISTRY = certificate.DESCRIPTOR.services_by_name["CertificateRegistry"]
_numbers = itertools.count()
AGENCY = Caller(Kind.AGENCY, "saitama-city", "saitama-city")


OFFICER = Caller(Kind.OFFICER, "saitama-city/hanako", "saitama-city", frozenset({"roster", "password"}))
OPERATORS_OFFICER = Caller(Kind.OFFICER, "operator/taro", OPERATOR, frozenset({"roster"}))
OWN_AGENCY = access_pb2.OFFICER_SCOPE_OWN_AGENCY
RESPONSIBLE_AGENCY = access_pb2.OFFICER_SCOPE_RESPONSIBLE_AGENCY
WHOLE_INSTANCE = access_pb2.OFFICER_SCOPE_OPERATOR


def officers_access(scope: "access_pb2.OfficerScope.ValueType", *, own_agency_field: str = "") -> access_pb2.Access:
    return access_pb2.Access(officer_roles=["roster"], officer_scope=scope, own_agency_field=own_agency_field)


def service_with(
    access: access_pb2.Access, *, client_streaming: bool = False, request: str = "certificate.v1.ResolveUserRequest"
) -> ServiceDescriptor:
    """Returns a service with one method that has this option and a request; the usual one has the field `agency`."""
    name = f"tests.pour{next(_numbers)}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=name, syntax="proto3")
    file.dependency.extend(
        [
            "toroku/access/v1/access.proto",
            "toroku/certificate/v1/user_lookup.proto",
            PROPOSALS.name,
        ]
    )
    request = f".toroku.{request}"
    method = file.service.add(name="Open").method.add(
        name="Pour", input_type=request, output_type=request, client_streaming=client_streaming
    )
    method.options.Extensions[access_pb2.access].CopyFrom(access)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindServiceByName(f"{name}.Open")


def allowed(access: access_pb2.Access, listener: ListenerKind, caller: Caller) -> bool:
    try:
        check_caller(access, listener, caller, "method")
    except Refusal as refusal:
        return refusal.reason != "CALLER_NOT_ALLOWED"
    return True


def test_every_method_has_an_access_option() -> None:
    services = [
        module.DESCRIPTOR.services_by_name[name]
        for module in (certificate, user_lookup_pb2, contact, entry, registration)
        for name in module.DESCRIPTOR.services_by_name
    ]
    assert build_access_table(services)[RESOLVE].own_agency_field == "agency"


def test_method_without_the_access_option_prevents_the_start() -> None:
    file = descriptor_pb2.FileDescriptorProto(name="open.proto", package="open", syntax="proto3")
    file.message_type.add(name="Nothing")
    file.service.add(name="Open").method.add(name="Enter", input_type=".open.Nothing", output_type=".open.Nothing")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    with pytest.raises(LookupError, match=r"open\.Open\.Enter has no option"):
        build_access_table([pool.FindServiceByName("open.Open")])


def test_agency_field_on_a_request_stream_prevents_the_start() -> None:
    access = access_pb2.Access(agencies=True, own_agency_field="agency")
    with pytest.raises(LookupError, match=r"Pour: own_agency_field can't be checked"):
        build_access_table([service_with(access, client_streaming=True)])


def test_service_may_call_only_methods_that_name_it() -> None:
    access = build_access_table([REGISTRY])["/toroku.certificate.v1.CertificateRegistry/Register"]
    assert allowed(access, ListenerKind.INTERNAL, Caller(Kind.SERVICE, "front-door"))
    assert not allowed(access, ListenerKind.INTERNAL, Caller(Kind.SERVICE, "agency-sync"))


def test_service_may_call_nothing_at_the_agency_listener() -> None:
    access = build_access_table([LOOKUP])[RESOLVE]
    assert not allowed(access, ListenerKind.AGENCY, Caller(Kind.SERVICE, "front-door"))
    assert allowed(access, ListenerKind.AGENCY, AGENCY)


def test_officer_needs_one_of_the_roles() -> None:
    assert allowed(officers_access(RESPONSIBLE_AGENCY), ListenerKind.AGENCY, OFFICER)
    other_role = access_pb2.Access(officer_roles=["registration"], officer_scope=RESPONSIBLE_AGENCY)
    assert not allowed(other_role, ListenerKind.AGENCY, OFFICER)
    assert not allowed(other_role, ListenerKind.AGENCY, OPERATORS_OFFICER)


def test_method_for_the_whole_instance_is_for_the_operators_officers_only() -> None:
    assert not allowed(officers_access(WHOLE_INSTANCE), ListenerKind.AGENCY, OFFICER)
    assert allowed(officers_access(WHOLE_INSTANCE), ListenerKind.AGENCY, OPERATORS_OFFICER)
    # The code of the operator makes no agency's system an officer.
    assert not allowed(officers_access(WHOLE_INSTANCE), ListenerKind.AGENCY, Caller(Kind.AGENCY, OPERATOR, OPERATOR))


def test_officer_may_name_only_its_own_agency() -> None:
    access = officers_access(OWN_AGENCY, own_agency_field="agency")
    check_own_agency(access, OFFICER, user_lookup_pb2.ResolveUserRequest(agency="saitama-city"))
    for agency in ("kawagoe-city", "", OPERATOR):
        with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
            check_own_agency(access, OFFICER, user_lookup_pb2.ResolveUserRequest(agency=agency))
        check_own_agency(access, OPERATORS_OFFICER, user_lookup_pb2.ResolveUserRequest(agency=agency))


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (access_pb2.Access(officer_roles=["roster"]), "are given together, or neither"),
        (
            access_pb2.Access(officer_roles=["roster"], officer_scope=9),  # type: ignore[arg-type]  # an unknown number
            "are given together, or neither",
        ),
        (
            access_pb2.Access(agencies=True, officer_scope=OWN_AGENCY),
            "are given together, or neither",
        ),
        (access_pb2.Access(officer_roles=["roster"], officer_scope=OWN_AGENCY), "needs the own_agency_field"),
    ],
)
def test_method_that_does_not_say_for_which_agency_an_officer_acts_prevents_the_start(
    access: access_pb2.Access, expected: str
) -> None:
    with pytest.raises(LookupError, match=expected):
        build_access_table([service_with(access)])


def test_own_agency_on_a_request_stream_prevents_the_start() -> None:
    access = officers_access(OWN_AGENCY, own_agency_field="agency")
    with pytest.raises(LookupError, match="own_agency_field can't be checked"):
        build_access_table([service_with(access, client_streaming=True)])
    # On a stream the service itself compares the agency.
    assert build_access_table([service_with(officers_access(RESPONSIBLE_AGENCY), client_streaming=True)])


def test_public_listener_serves_public_methods_only() -> None:
    assert allowed(access_pb2.Access(anyone=True), ListenerKind.PUBLIC, ANYONE)
    assert not allowed(build_access_table([LOOKUP])[RESOLVE], ListenerKind.PUBLIC, ANYONE)


def test_agency_may_name_only_itself() -> None:
    access = build_access_table([LOOKUP])[RESOLVE]
    check_own_agency(access, AGENCY, user_lookup_pb2.ResolveUserRequest(agency="saitama-city"))
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        check_own_agency(access, AGENCY, user_lookup_pb2.ResolveUserRequest(agency="kawagoe-city"))


SIGNED = "officer.v1.ApproveProposalRequest"


@pytest.mark.parametrize(
    ("changes", "request_type", "is_stream", "problem"),
    [
        ({"act": True}, "certificate.v1.ResolveUserRequest", False, "its request has no field act of the type toroku"),
        ({"act": True}, SIGNED, True, "an act is not signed for a stream of requests"),
        ({"act": True, "officer_roles": [], "officer_scope": 0, "agencies": True}, SIGNED, False, "it is for none"),
        ({"four_eyes": True}, SIGNED, False, "four_eyes needs act"),
        ({"unregistered_officers": True, "anyone": True}, SIGNED, False, "unregistered_officers and anyone"),
    ],
)
def test_option_of_an_act_that_could_not_be_kept_prevents_the_start(
    changes: dict[str, Any], request_type: str, is_stream: bool, problem: str
) -> None:
    values: dict[str, Any] = {"officer_roles": ["roster"], "officer_scope": RESPONSIBLE_AGENCY} | changes
    service = service_with(access_pb2.Access(**values), client_streaming=is_stream, request=request_type)
    with pytest.raises(LookupError, match=problem):
        build_access_table([service])


def test_acts_of_officers_and_of_persons_not_registered_are_accepted() -> None:
    officers = officers_access(RESPONSIBLE_AGENCY)
    officers.act = officers.four_eyes = True
    newcomers = access_pb2.Access(unregistered_officers=True, act=True)
    for access in (officers, newcomers):
        assert build_access_table([service_with(access, request=SIGNED)])
    newcomer = Caller(Kind.UNREGISTERED, "unregistered/00")
    assert allowed(newcomers, ListenerKind.AGENCY, newcomer)
    assert allowed(newcomers, ListenerKind.AGENCY, OFFICER)
    for access, listener, caller in (
        (officers, ListenerKind.AGENCY, newcomer),
        (newcomers, ListenerKind.INTERNAL, newcomer),
        (newcomers, ListenerKind.PUBLIC, newcomer),
    ):
        assert not allowed(access, listener, caller)
