"""Entries and whole histories, read from a registry."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import grpc

from history.convert import read_entry, read_record
from history.entries import StoredEntry
from history.heads import SealedBatch
from operator_command.history.registries import Registry
from refusals import Code, Refusal
from refusals.status import from_rpc_error
from toroku.history.v1.history_pb2 import ListEntriesRequest, ReadHistoryRequest
from toroku.history.v1.history_pb2_grpc import HistoryStub

LARGEST_PAGE = 100
# The bound is for a registry that hangs.
SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RegistryHistory:
    """The history of a registry. Each method raises the registry's refusals, and HISTORY_UNREADABLE."""

    registry: Registry
    stub: HistoryStub

    def list_entries(self, subject: Mapping[str, str | bytes], *, most: int) -> Iterator[StoredEntry]:
        """Yields the newest entries about a subject, at most `most`, read in pages when they are needed."""
        before = 0
        while most > 0:
            page = min(most, LARGEST_PAGE)
            request = ListEntriesRequest(before_number=before, most=page, **subject)  # type: ignore[arg-type]  # its oneof
            try:
                entries = self.stub.ListEntries(request, timeout=SECONDS).entries
                yield from map(read_entry, entries)
            except grpc.RpcError as error:
                raise from_rpc_error(error) from None
            except ValueError:
                raise self._refuse() from None
            if len(entries) < page:
                return
            before = entries[-1].number
            most -= page

    def read(self, first: int, last: int) -> Iterator[SealedBatch | StoredEntry]:
        """Yields batches and entries as a verification takes them: all, or those of a range where one is positive."""
        request = ReadHistoryRequest(first_position=first, last_position=last)
        try:
            # Without a deadline: the history may be large.
            for response in self.stub.ReadHistory(request):
                yield from map(read_record, response.records)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None
        except ValueError:
            raise self._refuse() from None

    def _refuse(self) -> Refusal:
        return Refusal("HISTORY_UNREADABLE", Code.INTERNAL, {"registry": str(self.registry)})
