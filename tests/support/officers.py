"""Officers for tests of any service: persons with keys, whom certificate-registry reports, and who sign acts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from google.protobuf.message import Message

from officers.convert import write_officer_state
from officers.directory import OfficerCertificate, OfficerState, record_officers
from refusals.status import from_rpc_error
from servicekit.credentials import CertificateFiles, create_channel_credentials
from servicekit.database import Database
from servicekit.versions import Version
from signed_acts.signature import prefix_purpose
from tests.support.in_process import Authority
from toroku.act.v1 import signed_purpose_pb2
from toroku.officer.v1 import officer_acts_pb2, officer_acts_pb2_grpc, officer_directory_pb2, officer_directory_pb2_grpc

if TYPE_CHECKING:
    from toroku.officer.v1.officer_directory_pb2_grpc import OfficerDirectoryAsyncStub

REGISTRY = "certificate-registry"
AnyRequest = TypeVar("AnyRequest", bound=Message)


@dataclass(frozen=True, slots=True)
class SigningOfficer:
    """A person with one certificate and its key, and a connection to the agency listener of a service."""

    name: str
    files: CertificateFiles
    channel: grpc.aio.Channel = field(repr=False)

    @property
    def person_id(self) -> str:
        return self.name.partition("/")[2]

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.files.certificate.read_bytes())

    def sign(self, purpose: bytes) -> signed_purpose_pb2.SignedPurpose:
        """Signs an encoded purpose as an officer's card does."""
        key = load_pem_private_key(self.files.private_key.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        signature = key.sign(prefix_purpose(purpose), ec.ECDSA(hashes.SHA256()))
        return signed_purpose_pb2.SignedPurpose(
            purpose=purpose, algorithm=signed_purpose_pb2.SIGNATURE_ALGORITHM_ECDSA_SHA256, signature=signature
        )

    @property
    def agency(self) -> str:
        return self.name.partition("/")[0]

    def report(
        self,
        *roles: str,
        number: int = 1,
        agency: str = "",
        is_withdrawn: bool = False,
        also: Sequence[OfficerCertificate] = (),
    ) -> OfficerState:
        """Returns what certificate-registry reports of the person: with this certificate and `also` others, or none."""
        certificate = self.certificate
        good = OfficerCertificate(certificate.public_bytes(Encoding.DER), certificate.not_valid_after_utc)
        return OfficerState(
            person_id=self.person_id,
            agency=agency or self.agency,
            roles=frozenset(roles),
            certificates=[] if is_withdrawn else [good, *also],
            version=Version(1, number),
        )


class Office:
    """The officers of a service in a test. Changes are reported as certificate-registry reports them."""

    def __init__(
        self,
        authority: Authority,
        service: str,
        address: str,
        directory: "OfficerDirectoryAsyncStub",
        stack: AsyncExitStack,
        *,
        reported: int = 0,
    ) -> None:
        self._authority = authority
        self._options = [("grpc.ssl_target_name_override", service), ("grpc.use_local_subchannel_pool", 1)]
        # Of the listener for agencies and officers.
        self.address = address
        self._directory = directory
        self._stack = stack
        self._reported = reported
        self._numbers: dict[str, int] = {}

    async def enrol(self, name: str, *roles: str) -> SigningOfficer:
        """Returns an officer (`agency/person`) with these roles, who is known to the service."""
        officer = await self.connect(name)
        await self.change(officer, *roles)
        return officer

    async def connect(self, name: str, files: CertificateFiles | None = None) -> SigningOfficer:
        """Returns a person with a certificate, a new one unless it is given, that the service does not know."""
        files = files or self._authority.person(name)
        channel = grpc.aio.secure_channel(self.address, create_channel_credentials(files), self._options)
        return SigningOfficer(name, files, await self._stack.enter_async_context(channel))

    async def change(self, officer: SigningOfficer, *roles: str, is_withdrawn: bool = False) -> None:
        """Reports that an officer has these roles, and this certificate alone or, withdrawn, none."""
        number = self._numbers[officer.person_id] = self._numbers.get(officer.person_id, self._reported) + 1
        await self.report(officer.report(*roles, number=number, is_withdrawn=is_withdrawn))

    async def report(self, *states: OfficerState) -> None:
        """Reports states as they are. Raises Refusal."""
        await self.send(*map(write_officer_state, states))

    async def send(self, *states: officer_directory_pb2.OfficerState) -> None:
        """Sends states as they are. Raises Refusal."""
        request = officer_directory_pb2.RecordOfficersRequest(officers=states)
        try:
            await self._directory.RecordOfficers(request)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None


@asynccontextmanager
async def office(
    authority: Authority, service: str, *, internal: str, agency: str, reported: int = 0
) -> AsyncIterator[Office]:
    """Yields the officers of a running service with these listeners; `reported` is the version reported before."""
    async with AsyncExitStack() as stack:
        options = [("grpc.ssl_target_name_override", service)]
        credentials = create_channel_credentials(authority.service(REGISTRY))
        channel = await stack.enter_async_context(grpc.aio.secure_channel(internal, credentials, options))
        directory = officer_directory_pb2_grpc.OfficerDirectoryStub(channel)
        yield Office(authority, service, agency, directory, stack, reported=reported)


async def record_in_database(dsn: str, *states: OfficerState) -> None:
    """Records officers in the database of a service as if certificate-registry had reported them."""
    async with Database.open(dsn, pool=1) as database, database.transaction() as connection:
        await record_officers(connection, states)


async def ask_act(
    method: str, request: Message, officer: SigningOfficer, *, request_id: str = ""
) -> officer_acts_pb2.CreateActChallengeResponse:
    """Returns the act to sign for a request of the method (its full name). Raises Refusal."""
    asked = officer_acts_pb2.CreateActChallengeRequest(
        method=method, request_id=request_id or str(uuid4()), request=request.SerializeToString()
    )
    try:
        return await officer_acts_pb2_grpc.OfficerActsStub(officer.channel).CreateActChallenge(asked)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None


async def sign_request(
    method: str, request: AnyRequest, officer: SigningOfficer, *, request_id: str = ""
) -> AnyRequest:
    """Returns a request with the officer's signed act. Raises Refusal."""
    challenge = await ask_act(method, request, officer, request_id=request_id)
    signed = type(request)()
    signed.CopyFrom(request)
    signed.act.CopyFrom(officer.sign(challenge.purpose))  # type: ignore[attr-defined]  # a request with the field `act`
    return signed


async def sign_and_call(method: Any, request: Message, officer: SigningOfficer, *, request_id: str = "") -> Any:
    """Calls a method of an asynchronous stub with the officer's signed act; returns the response. Raises Refusal."""
    name = name_method(method)
    return await call(method, await sign_request(name, request, officer, request_id=request_id))


async def call(method: Any, request: Message, metadata: Sequence[tuple[str, str | bytes]] = ()) -> Any:
    """Calls a method of an asynchronous stub. Raises Refusal."""
    try:
        return await method(request, metadata=metadata)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None


def name_method(method: Any) -> str:
    """Returns the full name of a stub's method, without the leading slash."""
    path = vars(method).get("_method") if hasattr(method, "__dict__") else getattr(method, "_method", None)
    assert path is not None
    return (path.decode() if isinstance(path, bytes) else str(path)).removeprefix("/")
