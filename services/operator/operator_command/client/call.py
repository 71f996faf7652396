"""One call of an agency's, an officer's or a service's, with its certificate, from the command line."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToJson, Parse, ParseError
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from operator_command.client.connection import Connection, channel
from refusals import Code, Refusal
from refusals.status import from_rpc_error
from toroku.access.v1 import access_pb2

CALL_SECONDS = 30.0
# Where each service's interface stands.
INTERFACES: Mapping[str, tuple[str, str]] = {
    "qualification-registry": ("toroku.qualification.v1.service_pb2", "QualificationRegistry"),
    "certificate-registry": ("toroku.certificate.v1.service_pb2", "CertificateRegistry"),
    "contact-notification": ("toroku.contact.v1.service_pb2", "ContactNotification"),
    "agency-sync": ("toroku.agencysync.v1.service_pb2", "AgencySync"),
}


def interface(service: str) -> ServiceDescriptor:
    """The gRPC interface of a service; raises UNKNOWN_SERVICE."""
    if service not in INTERFACES:
        names = ", ".join(INTERFACES)
        raise Refusal("UNKNOWN_SERVICE", Code.INVALID_ARGUMENT, {"service": service, "services": names})
    module, name = INTERFACES[service]
    found: ServiceDescriptor = import_module(module).DESCRIPTOR.services_by_name[name]
    return found


def methods_for(service: str, kind: str) -> list[MethodDescriptor]:
    """The methods that agencies, officers or services may call."""

    def may(method: MethodDescriptor) -> bool:
        access = method.GetOptions().Extensions[access_pb2.access]
        return bool({"agencies": access.agencies, "officers": access.officer_roles, "services": access.services}[kind])

    return [method for method in interface(service).methods if may(method)]


def request_fields(method: MethodDescriptor) -> str:
    """The names of the request's fields, as they stand in JSON."""
    return ", ".join(field.name for field in method.input_type.fields)


def call(to: Connection, service: str, method_name: str, request: str) -> str:
    """Calls one method with a JSON request and gives the JSON answer; of a stream, every answer.

    Raises UNKNOWN_METHOD, REQUEST_UNREADABLE, CLIENT_FILE_UNREADABLE, and what the service refused.
    """
    method = interface(service).methods_by_name.get(method_name)
    if method is None or method.client_streaming:
        names = ", ".join(found.name for found in interface(service).methods if not found.client_streaming)
        raise Refusal("UNKNOWN_METHOD", Code.INVALID_ARGUMENT, {"method": method_name, "methods": names})
    try:
        message = Parse(request, GetMessageClass(method.input_type)())
    except ParseError as error:
        metadata = {"cause": str(error), "fields": request_fields(method)}
        raise Refusal("REQUEST_UNREADABLE", Code.INVALID_ARGUMENT, metadata) from None
    with channel(service, to) as opened:
        try:
            answers = _answers(opened, method, message)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None
    return "\n".join(MessageToJson(answer, preserving_proto_field_name=True, ensure_ascii=False) for answer in answers)


def _answers(channel: grpc.Channel, method: MethodDescriptor, message: Message) -> list[Message]:
    path = f"/{method.containing_service.full_name}/{method.name}"
    read = GetMessageClass(method.output_type).FromString
    if method.server_streaming:
        stream = channel.unary_stream(path, _bytes, read)
        return list(stream(message, timeout=CALL_SECONDS))
    unary: Callable[..., Any] = channel.unary_unary(path, _bytes, read)
    return [unary(message, timeout=CALL_SECONDS)]


def _bytes(message: Message) -> bytes:
    return message.SerializeToString()
