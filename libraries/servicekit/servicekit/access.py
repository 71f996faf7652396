"""Access control by the option `access` of every method, resolved when the server starts. By default nobody may."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message

from refusals import Code, Refusal
from servicekit.identity import Caller, Kind, require_acts_for
from toroku.access.v1 import access_pb2


class ListenerKind(StrEnum):
    """The kinds of listeners of a service (docs/architecture.md)."""

    INTERNAL = "internal"
    AGENCY = "agency"
    PUBLIC = "public"


# The field of a request that has the officer's signed act.
ACT_FIELD = "act"
_ACT_TYPE = "toroku.act.v1.SignedPurpose"

# The kinds of callers that a listener admits at all.
_KINDS = {
    ListenerKind.INTERNAL: {Kind.SERVICE},
    ListenerKind.AGENCY: {Kind.AGENCY, Kind.OFFICER, Kind.UNREGISTERED},
    ListenerKind.PUBLIC: {Kind.ANYONE},
}


_SCOPES = frozenset(
    {
        access_pb2.OFFICER_SCOPE_OWN_AGENCY,
        access_pb2.OFFICER_SCOPE_RESPONSIBLE_AGENCY,
        access_pb2.OFFICER_SCOPE_OPERATOR,
    }
)


def build_access_table(services: Iterable[ServiceDescriptor]) -> Mapping[str, access_pb2.Access]:
    """Returns the access option of every method by its path (`/package.Service/Method`).

    Raises LookupError, so that the server does not start, for a method without the option, with an own_agency_field
    that its request does not have, or with one on a stream of requests, where it would not be checked; for one with
    officer_roles that does not say for which agency, or says OWN_AGENCY without naming the field; for one with `act`
    whose request has no field for it, or that is not for persons, and one with `four_eyes` without it; and for a stream
    of requests that anyone may send, which nothing would bound.
    """
    table: dict[str, access_pb2.Access] = {}
    for service in services:
        for method in service.methods:
            options = method.GetOptions()
            if not options.HasExtension(access_pb2.access):
                raise LookupError(f"{method.full_name} has no option toroku.access.v1.access, so nobody may call it")
            access = options.Extensions[access_pb2.access]
            if access.own_agency_field and access.own_agency_field not in method.input_type.fields_by_name:
                raise LookupError(f"{method.full_name}: its request has no field {access.own_agency_field}")
            if access.own_agency_field and method.client_streaming:
                raise LookupError(f"{method.full_name}: own_agency_field can't be checked on a stream of requests")
            if access.anyone and method.client_streaming:
                raise LookupError(f"{method.full_name}: anyone may call it, so it can't take a stream of requests")
            _check_officer_scope(method.full_name, access)
            _check_act_option(method, access)
            table[f"/{service.full_name}/{method.name}"] = access
    return table


def admits(listener: ListenerKind, access: access_pb2.Access) -> bool:
    """Returns whether anybody may call a method with this option at a listener of this kind."""
    match listener:
        case ListenerKind.INTERNAL:
            # Officers by their proofs, from the portal.
            return bool(access.services) or bool(access.officer_roles)
        case ListenerKind.AGENCY:
            return access.agencies or bool(access.officer_roles) or access.unregistered_officers
        case ListenerKind.PUBLIC:
            return access.anyone


def check_caller(access: access_pb2.Access, listener: ListenerKind, caller: Caller, method: str) -> None:
    """Raises CALLER_NOT_ALLOWED unless the caller may call this method at this listener.

    For which agency, is checked by `check_own_agency` or, with the scope RESPONSIBLE_AGENCY, by the service itself
    (`servicekit.identity.require_acts_for`).
    """
    allowed = caller.kind in _KINDS[listener] and (
        (caller.kind is Kind.SERVICE and caller.name in access.services)
        or (caller.kind is Kind.AGENCY and access.agencies)
        or _admits_person(access, caller)
        or (caller.kind is Kind.ANYONE and access.anyone)
    )
    if not allowed:
        raise refuse_caller(caller, method)


def check_person(access: access_pb2.Access, caller: Caller, method: str) -> None:
    """Raises CALLER_NOT_ALLOWED unless the caller is an officer, or a person not registered, who may call the method.

    For which agency, is checked as `check_caller` says.
    """
    if not _admits_person(access, caller):
        raise refuse_caller(caller, method)


def refuse_caller(caller: Caller, method: str) -> Refusal:
    """Returns the refusal of a caller that may not call a method."""
    metadata = {"caller": f"{caller.kind} {caller.name}", "method": method}
    return Refusal("CALLER_NOT_ALLOWED", Code.PERMISSION_DENIED, metadata)


def _admits_person(access: access_pb2.Access, caller: Caller) -> bool:
    if caller.kind in (Kind.OFFICER, Kind.UNREGISTERED) and access.unregistered_officers:
        return True
    return (
        caller.kind is Kind.OFFICER
        and not caller.roles.isdisjoint(access.officer_roles)
        and (caller.is_operators_officer or access.officer_scope != access_pb2.OFFICER_SCOPE_OPERATOR)
    )


def check_own_agency(access: access_pb2.Access, caller: Caller, request: Message) -> None:
    """Raises AGENCY_NOT_OWN where the request of an agency, or of an agency's officer, names another agency."""
    is_bound = (caller.kind is Kind.AGENCY and access.own_agency_field) or (
        caller.kind is Kind.OFFICER and access.officer_scope == access_pb2.OFFICER_SCOPE_OWN_AGENCY
    )
    if is_bound:
        require_acts_for(caller, str(getattr(request, access.own_agency_field)))


def check_act(caller: Caller, request: Message, method: str) -> None:
    """Raises OFFICER_ACT_MISSING where a person's request has no signed act, which the service then judges."""
    if caller.kind in (Kind.OFFICER, Kind.UNREGISTERED) and not request.HasField(ACT_FIELD):
        raise Refusal("OFFICER_ACT_MISSING", Code.INVALID_ARGUMENT, {"method": method.removeprefix("/")})


def _check_act_option(method: MethodDescriptor, access: access_pb2.Access) -> None:
    if access.unregistered_officers and access.anyone:
        raise LookupError(f"{method.full_name}: unregistered_officers and anyone exclude each other")
    if access.four_eyes and not access.act:
        raise LookupError(f"{method.full_name}: four_eyes needs act")
    if not access.act:
        return
    field = method.input_type.fields_by_name.get(ACT_FIELD)
    if field is None or field.message_type is None or field.message_type.full_name != _ACT_TYPE:
        raise LookupError(f"{method.full_name}: its request has no field {ACT_FIELD} of the type {_ACT_TYPE}")
    if method.client_streaming:
        raise LookupError(f"{method.full_name}: an act is not signed for a stream of requests")
    if not (access.officer_roles or access.unregistered_officers):
        raise LookupError(f"{method.full_name}: only persons sign acts, and it is for none")


def _check_officer_scope(method: str, access: access_pb2.Access) -> None:
    if bool(access.officer_roles) != (access.officer_scope in _SCOPES):
        raise LookupError(f"{method}: officer_roles and officer_scope are given together, or neither")
    if access.officer_scope == access_pb2.OFFICER_SCOPE_OWN_AGENCY and not access.own_agency_field:
        raise LookupError(f"{method}: OFFICER_SCOPE_OWN_AGENCY needs the own_agency_field that it is checked by")
