"""Registries in this process that serve nothing but their history, at their agency listeners."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from history.convert import read_record
from history.entries import StoredEntry
from history.findings import Finding
from history.heads import SealedBatch
from history.servicer import offer_history
from history.verification import Verification
from refusals.status import from_rpc_error
from servicekit.access import ListenerKind
from servicekit.credentials import CertificateFiles, create_channel_credentials
from servicekit.database import Database
from servicekit.signed_statement import SigningKey
from tests.support.history import CHAIN
from tests.support.in_process import Authority, serving
from toroku.history.v1 import history_pb2
from toroku.history.v1.history_pb2_grpc import HistoryStub

if TYPE_CHECKING:
    from toroku.history.v1.history_pb2_grpc import HistoryAsyncStub

# Who may read a history: the operator's officers with this role.
READER, ROLE = "operator/suzuki", "history"


@dataclass(frozen=True, slots=True)
class Registries:
    """The address of each registry's agency listener, and the CA of everybody."""

    addresses: Mapping[str, str]
    authority: Authority

    @asynccontextmanager
    async def reading(self, registry: str, files: CertificateFiles) -> AsyncIterator["HistoryAsyncStub"]:
        """Yields a stub of a registry's history for the owner of a certificate."""
        options = [("grpc.ssl_target_name_override", registry)]
        credentials = create_channel_credentials(files)
        async with grpc.aio.secure_channel(self.addresses[registry], credentials, options) as channel:
            yield HistoryStub(channel)


@asynccontextmanager
async def serving_histories(folder: Path, databases: Mapping[str, Database]) -> AsyncIterator[Registries]:
    """Serves the history in each database as that of a registry."""
    authority = Authority(folder, CHAIN.instance)
    async with AsyncExitStack() as stack:
        addresses = {
            registry: await stack.enter_async_context(
                serving(
                    authority,
                    registry,
                    offer_history(database),
                    instance=CHAIN.instance,
                    listener=ListenerKind.AGENCY,
                )
            )
            for registry, database in databases.items()
        }
        yield Registries(addresses, authority)


async def read_responses(
    stub: "HistoryAsyncStub", *, first: int = 0, last: int = 0
) -> list[history_pb2.ReadHistoryResponse]:
    """Returns all answers to ReadHistory. Raises Refusal."""
    request = history_pb2.ReadHistoryRequest(first_position=first, last_position=last)
    try:
        return [response async for response in stub.ReadHistory(request)]
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None


async def list_entries(stub: "HistoryAsyncStub", **request: Any) -> list[history_pb2.Entry]:
    """Returns a page of entries. Raises Refusal."""
    try:
        return list((await stub.ListEntries(history_pb2.ListEntriesRequest(**request))).entries)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None


def read_items(responses: Iterable[history_pb2.ReadHistoryResponse]) -> list[SealedBatch | StoredEntry]:
    """Returns what answers to ReadHistory have."""
    return [read_record(record) for response in responses for record in response.records]


def verify_items(
    items: Iterable[SealedBatch | StoredEntry], *keys: SigningKey, is_range: bool = False
) -> list[Finding]:
    """Returns what a verification finds in what a registry sent."""
    public_keys = {key.key_id: key.public_key for key in keys}
    verification = Verification(CHAIN, public_keys, is_range=is_range)
    findings = [finding for item in items for finding in verification.take(item)]
    return [*findings, *verification.end()]
