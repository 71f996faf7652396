"""One gRPC call with the certificate of an agency, an officer or a service; request and answer are JSON."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from operator_command.client.connection import Connection, open_channel
from refusals import Code, Refusal
from refusals.status import from_rpc_error
from toroku.access.v1 import access_pb2

CALL_SECONDS = 30.0
# Module and name of the gRPC interfaces that each service has of its own.
INTERFACES: Mapping[str, Sequence[tuple[str, str]]] = {
    "qualification-registry": (
        ("toroku.qualification.v1.qualification_registry_pb2", "QualificationRegistry"),
        ("toroku.qualification.v1.bidders_pb2", "Bidders"),
        ("toroku.qualification.v1.card_approvals_pb2", "CardApprovals"),
    ),
    "certificate-registry": (
        ("toroku.certificate.v1.certificate_registry_pb2", "CertificateRegistry"),
        ("toroku.certificate.v1.cards_pb2", "Cards"),
        ("toroku.certificate.v1.officers_pb2", "Officers"),
    ),
    "user-lookup": (("toroku.certificate.v1.user_lookup_pb2", "UserLookup"),),
    "contact-notification": (("toroku.contact.v1.contact_notification_pb2", "ContactNotification"),),
    "agency-sync": (("toroku.agencysync.v1.agency_sync_pb2", "AgencySync"),),
}


def find_methods(service: str) -> list[MethodDescriptor]:
    """Returns the methods of a service's own gRPC interfaces; raises UNKNOWN_SERVICE."""
    if service not in INTERFACES:
        names = ", ".join(INTERFACES)
        raise Refusal("UNKNOWN_SERVICE", Code.INVALID_ARGUMENT, {"service": service, "services": names})
    interfaces = [import_module(module).DESCRIPTOR.services_by_name[name] for module, name in INTERFACES[service]]
    return [method for interface in interfaces for method in interface.methods]


def list_methods(service: str, kind: str) -> list[MethodDescriptor]:
    """Returns the methods that callers of a kind (agencies, officers, services) may call; raises UNKNOWN_SERVICE.

    Those that an officer signs have commands of their own, which show what is signed.
    """

    def is_open(method: MethodDescriptor) -> bool:
        access = method.GetOptions().Extensions[access_pb2.access]
        is_officers = bool(access.officer_roles) and not access.act
        return bool({"agencies": access.agencies, "officers": is_officers, "services": access.services}[kind])

    return [method for method in find_methods(service) if is_open(method)]


def list_request_fields(method: MethodDescriptor) -> str:
    """Returns the names of the request's JSON fields, separated by commas."""
    return ", ".join(field.name for field in method.input_type.fields)


def call(connection: Connection, service: str, method_name: str, request: str) -> str:
    """Calls one method with a JSON request and returns the JSON answer; of a stream, one answer after the other.

    Raises UNKNOWN_METHOD, REQUEST_UNREADABLE, CLIENT_FILE_UNREADABLE, and the service's own refusals.
    """
    methods = find_methods(service)
    method = next((method for method in methods if method.name == method_name), None)
    if method is None or method.client_streaming:
        names = ", ".join(other.name for other in methods if not other.client_streaming)
        raise Refusal("UNKNOWN_METHOD", Code.INVALID_ARGUMENT, {"method": method_name, "methods": names})
    try:
        message = Parse(request, GetMessageClass(method.input_type)())
    except ParseError as error:
        metadata = {"cause": str(error), "fields": list_request_fields(method)}
        raise Refusal("REQUEST_UNREADABLE", Code.INVALID_ARGUMENT, metadata) from None
    with open_channel(service, connection) as channel:
        try:
            answers = _call(channel, method, message)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None
    return "\n".join(MessageToJson(answer, preserving_proto_field_name=True, ensure_ascii=False) for answer in answers)


def _call(channel: grpc.Channel, method: MethodDescriptor, message: Message) -> list[Message]:
    path = f"/{method.containing_service.full_name}/{method.name}"
    parse = GetMessageClass(method.output_type).FromString
    if method.server_streaming:
        stream = channel.unary_stream(path, _serialize, parse)
        return list(stream(message, timeout=CALL_SECONDS))
    unary: Callable[..., Any] = channel.unary_unary(path, _serialize, parse)
    return [unary(message, timeout=CALL_SECONDS)]


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
