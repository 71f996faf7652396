"""The access option: by default nobody may call a method."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from refusals import Refusal
from servicekit.access import ListenerKind, build_access_table, check_caller, check_own_agency
from servicekit.identity import ANYONE, Caller, Kind
from toroku.access.v1 import access_pb2
from toroku.certificate.v1 import certificate_registry_pb2 as certificate
from toroku.certificate.v1 import user_lookup_pb2
from toroku.contact.v1 import contact_notification_pb2 as contact
from toroku.frontdoor.v1 import entry_pb2 as entry
from toroku.frontdoor.v1 import registration_pb2 as registration

RESOLVE = "/toroku.certificate.v1.UserLookup/ResolveUser"
LOOKUP = user_lookup_pb2.DESCRIPTOR.services_by_name["UserLookup"]
REGISTRY = certificate.DESCRIPTOR.services_by_name["CertificateRegistry"]
AGENCY = Caller(Kind.AGENCY, "saitama-city", "saitama-city")


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
    file = descriptor_pb2.FileDescriptorProto(name="tests/pour.proto", package="tests.pour", syntax="proto3")
    file.dependency.append("toroku/certificate/v1/user_lookup.proto")
    request = ".toroku.certificate.v1.ResolveUserRequest"
    method = file.service.add(name="Open").method.add(
        name="Pour", input_type=request, output_type=request, client_streaming=True
    )
    method.options.Extensions[access_pb2.access].CopyFrom(access_pb2.Access(agencies=True, own_agency_field="agency"))
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    with pytest.raises(LookupError, match=r"Pour: own_agency_field can't be checked"):
        build_access_table([pool.FindServiceByName("tests.pour.Open")])


def test_service_may_call_only_methods_that_name_it() -> None:
    access = build_access_table([REGISTRY])["/toroku.certificate.v1.CertificateRegistry/Register"]
    assert allowed(access, ListenerKind.INTERNAL, Caller(Kind.SERVICE, "front-door"))
    assert not allowed(access, ListenerKind.INTERNAL, Caller(Kind.SERVICE, "agency-sync"))


def test_service_may_call_nothing_at_the_agency_listener() -> None:
    access = build_access_table([LOOKUP])[RESOLVE]
    assert not allowed(access, ListenerKind.AGENCY, Caller(Kind.SERVICE, "front-door"))
    assert allowed(access, ListenerKind.AGENCY, AGENCY)


def test_officer_needs_one_of_the_roles() -> None:
    access = access_pb2.Access(officer_roles=["roster"])
    officer = Caller(Kind.OFFICER, "saitama-city/hanako", "saitama-city", frozenset({"roster", "password"}))
    assert allowed(access, ListenerKind.AGENCY, officer)
    assert not allowed(access_pb2.Access(officer_roles=["registration"]), ListenerKind.AGENCY, officer)


def test_public_listener_serves_public_methods_only() -> None:
    assert allowed(access_pb2.Access(anyone=True), ListenerKind.PUBLIC, ANYONE)
    assert not allowed(build_access_table([LOOKUP])[RESOLVE], ListenerKind.PUBLIC, ANYONE)


@pytest.mark.requirement("SYN-08")
def test_agency_may_name_only_itself() -> None:
    access = build_access_table([LOOKUP])[RESOLVE]
    check_own_agency(access, AGENCY, user_lookup_pb2.ResolveUserRequest(agency="saitama-city"))
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        check_own_agency(access, AGENCY, user_lookup_pb2.ResolveUserRequest(agency="kawagoe-city"))
