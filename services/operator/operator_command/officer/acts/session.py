"""Whom an officer's command calls, and as whom."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import grpc
from cryptography import x509
from google.protobuf.message import Message
from rich.console import Console

from instance_profile.base import OPERATOR
from operator_command.client.connection import locate_authority, locate_key_files, open_channel_with, read_file
from operator_command.console import exit_on_refusal
from operator_command.instance_certificates import locate_identity
from operator_command.officer.acts.key import OfficerKey, read_key_file
from operator_command.officer.acts.options import ActOptions, OfficerOptions, SigningOptions
from operator_command.officer.acts.signing import Signer
from operator_command.officer.profile_files import find_profile
from operator_command.officer.roster_progress import make_console
from operator_command.speech import Speech, find_language
from operator_command.topology import read_addresses
from refusals import Code, Refusal
from refusals.status import from_rpc_error

CALL_SECONDS = 30.0
CERTIFICATE_REGISTRY = "certificate-registry"
QUALIFICATION_REGISTRY = "qualification-registry"
AGENCY_SYNC = "agency-sync"
# The services whose changes officers sign.
SERVICES = (CERTIFICATE_REGISTRY, QUALIFICATION_REGISTRY)
# Those that commands call.
_CALLED = (*SERVICES, AGENCY_SYNC)
# The endpoint of a command that calls one service only.
_ANY = ""
_NAME = re.compile(r"spiffe://(?P<instance>[a-z0-9-]+)/(officer/(?P<agency>[a-z0-9-]+)/.+|.+)")


Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActingSession:
    """An officer at a command: the key, the services of the instance, the language of the output and where it goes."""

    key: OfficerKey
    authority: bytes
    endpoints: Mapping[str, str]
    state: Path
    speech: Speech
    console: Console

    @property
    def services(self) -> Sequence[str]:
        """The services that can be called, of those whose changes officers sign."""
        named = self.endpoints.keys() - {_ANY}
        return [service for service in SERVICES if not named or service in named]

    @contextmanager
    def open(self, service: str) -> Iterator[grpc.Channel]:
        """Opens a channel to a service for the duration of the block. Raises NO_INSTANCE, LISTENER_UNKNOWN."""
        endpoint = self.endpoints.get(service, self.endpoints.get(_ANY))
        endpoint = endpoint or read_addresses(self.state).of(service, "agency")
        with open_channel_with(service, endpoint, self.key.make_credentials(self.authority)) as channel:
            try:
                yield channel
            except Refusal as refusal:
                # A handshake that the key could not sign looks as if nobody answered.
                raise self.key.failure or refusal from None

    def choose_agency(self, named: str | None) -> str:
        """Returns the code of the named agency, otherwise that of the officer's certificate, "operator" too.

        Raises AGENCY_NOT_IN_CERTIFICATE.
        """
        if named is not None:
            return named
        agency = self.find_agency()
        if agency is None:
            raise Refusal("AGENCY_NOT_IN_CERTIFICATE", Code.INVALID_ARGUMENT, {"operator": OPERATOR})
        return agency

    def find_agency(self) -> str | None:
        """Returns the agency that the officer's certificate names; None where it names none."""
        match = _match_name(x509.load_der_x509_certificate(self.key.certificate))
        return match["agency"] if match is not None else None


def ask_service(method: "grpc.UnaryUnaryMultiCallable[Request, Response]", request: Request) -> Response:
    """Returns the answer of a method that changes nothing. Raises its refusals."""
    try:
        return method(request, timeout=CALL_SECONDS)
    except grpc.RpcError as error:
        raise from_rpc_error(error) from None


@contextmanager
def acting_session(options: OfficerOptions) -> Iterator[ActingSession]:
    """Yields the session of a command. A refusal in its block is printed in its language, and ends the process.

    What the command line does not give comes from the instance in the state folder.
    """
    speech = Speech(options.language or find_language())
    with exit_on_refusal(speech):
        endpoints = dict(map(_read_endpoint, options.endpoint or ()))
        has_key = options.with_card or (options.client_certificate and options.client_key)
        is_named = bool(has_key and options.trust and endpoints)
        if not endpoints:
            # Where nothing runs in the folder, that is what has to be said, and not that it knows no officer.
            read_addresses(options.state)
        profile = find_profile(options.profile, options.overlay, None if is_named else options.state)
        speech = Speech(speech.language, profile)
        session = ActingSession(
            key=_read_key(options, speech),
            authority=read_file(options.trust or locate_authority(options.state)),
            endpoints=endpoints,
            state=options.state,
            speech=speech,
            console=make_console(),
        )
    with exit_on_refusal(speech):
        yield session


def make_signer(session: ActingSession, options: SigningOptions, ending: Sequence[str] = ()) -> Signer:
    """Returns the officer of a session as a signer. Raises INSTANCE_NOT_KNOWN."""
    request_id = options.request_id if isinstance(options, ActOptions) else None
    return Signer(
        key=session.key,
        instance=options.instance or _find_instance(session),
        speech=session.speech,
        console=session.console,
        request_id=(request_id or str(uuid4())).lower(),
        confirmed=options.yes,
        details=options.details,
        ending=ending,
    )


def _read_key(options: OfficerOptions, speech: Speech) -> OfficerKey:
    if options.with_card:
        from operator_command.officer.acts.card import read_card_key

        return read_card_key(options.reader, options.slot, speech)
    certificate, private_key = options.client_certificate, options.client_key
    if certificate is None or private_key is None:
        certificate, private_key = locate_key_files("officers", options.officer, options.state)
    return read_key_file(certificate, private_key, speech)


def _find_instance(session: ActingSession) -> str:
    """Returns the instance by the officer's certificate, the profile, or a service's certificate in the state folder.

    It is not asked for at a service, which would say for which instance its own challenge is.
    """
    if match := _match_name(x509.load_der_x509_certificate(session.key.certificate)):
        return match["instance"]
    if session.speech.profile is not None:
        return session.speech.profile.id
    file = locate_identity(session.state / "certificates", "services", CERTIFICATE_REGISTRY).certificate
    if file.exists() and (match := _match_name(x509.load_pem_x509_certificate(read_file(file)))):
        return match["instance"]
    raise Refusal("INSTANCE_NOT_KNOWN", Code.INVALID_ARGUMENT)


def _match_name(certificate: x509.Certificate) -> re.Match[str] | None:
    """Returns the parts of the SPIFFE id in a certificate; None where it has none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return None
    uris: Sequence[str] = names.get_values_for_type(x509.UniformResourceIdentifier)
    return next((match for uri in uris if (match := _NAME.fullmatch(uri))), None)


def _read_endpoint(option: str) -> tuple[str, str]:
    service, separator, address = option.rpartition("=")
    if (separator and service not in _CALLED) or not address:
        metadata = {"endpoint": option, "services": ", ".join(_CALLED)}
        raise Refusal("SERVICE_ENDPOINT_UNREADABLE", Code.INVALID_ARGUMENT, metadata)
    return service, address
