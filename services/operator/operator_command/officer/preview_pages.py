"""Reads the lines and the undecided rows of a preview from the registry, page by page."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import grpc

from refusals.status import from_rpc_error
from toroku.qualification.v1 import bidder_pb2, qualification_registry_pb2
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

LARGEST_PAGE = 1000
LARGEST_UNDECIDED_PAGE = 200
# The bound is for a registry that hangs.
SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class PreviewPages:
    """The pages of one preview. Each method raises the registry's refusals."""

    stub: QualificationRegistryStub
    preview: bidder_pb2.RosterPreview

    def read_first(self, kind: bidder_pb2.LineKind.ValueType, most: int) -> Sequence[bidder_pb2.PreviewLine]:
        """Returns the first lines of one kind, at most `most`."""
        return self._read_page([kind], "", most).lines

    def read_lines(self) -> Iterator[bidder_pb2.PreviewLine]:
        """Yields the lines of all kinds, in the order of the kinds, and within a kind of the bidder ids."""
        page = self._read_page([], "", LARGEST_PAGE)
        yield from page.lines
        while page.next_page:
            page = self._read_page([], page.next_page, LARGEST_PAGE)
            yield from page.lines

    def read_undecided(self) -> Sequence[bidder_pb2.UndecidedRow]:
        """Returns all undecided rows, in the order of the file: the preview has only the first ones."""
        rows = list(self.preview.undecided)
        while len(rows) < self.preview.undecided_row_count:
            request = qualification_registry_pb2.ListUndecidedRowsRequest(
                import_id=self.preview.import_id, after=rows[-1].row if rows else 0, most=LARGEST_UNDECIDED_PAGE
            )
            try:
                page = self.stub.ListUndecidedRows(request, timeout=SECONDS).rows
            except grpc.RpcError as error:
                raise from_rpc_error(error) from None
            if not page:
                break
            rows.extend(page)
        return rows

    def _read_page(
        self, kinds: Iterable[bidder_pb2.LineKind.ValueType], page: str, most: int
    ) -> qualification_registry_pb2.ListPreviewLinesResponse:
        request = qualification_registry_pb2.ListPreviewLinesRequest(
            import_id=self.preview.import_id, kinds=kinds, page=page, most=most
        )
        try:
            return self.stub.ListPreviewLines(request, timeout=SECONDS)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None
