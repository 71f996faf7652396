"""Reads the versions of a roster, their lines and their files from the registry."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import grpc

from refusals import Code, Refusal
from refusals.status import from_rpc_error
from toroku.qualification.v1 import bidder_pb2, qualification_registry_pb2
from toroku.qualification.v1.qualification_registry_pb2_grpc import QualificationRegistryStub

LARGEST_PAGE = 1000
# The bound is for a registry that hangs.
SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class VersionPages:
    """The versions of one roster. Each method raises the registry's refusals."""

    stub: QualificationRegistryStub
    roster: str

    def read_versions(self, *, before: int = 0, most: int) -> Sequence[bidder_pb2.RosterVersion]:
        """Returns versions, the newest first: those before a version if it is positive, at most `most`."""
        request = qualification_registry_pb2.ListRosterVersionsRequest(roster=self.roster, before=before, most=most)
        try:
            return self.stub.ListRosterVersions(request, timeout=SECONDS).versions
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None

    def find_version(self, version: int) -> bidder_pb2.RosterVersion:
        """Returns one version. Raises ROSTER_VERSION_UNKNOWN."""
        versions = self.read_versions(before=version + 1, most=1) if version > 0 else ()
        if not versions or versions[0].version != version:
            metadata = {"roster": self.roster, "version": str(version)}
            raise Refusal("ROSTER_VERSION_UNKNOWN", Code.NOT_FOUND, metadata)
        return versions[0]

    def read_lines(self, version: int, *, most: int = LARGEST_PAGE) -> Iterator[bidder_pb2.RosterLine]:
        """Yields the lines of a version by bidder id, read in pages of `most`."""
        page = ""
        while True:
            request = qualification_registry_pb2.ListVersionLinesRequest(
                roster=self.roster, version=version, page=page, most=most
            )
            try:
                answer = self.stub.ListVersionLines(request, timeout=SECONDS)
            except grpc.RpcError as error:
                raise from_rpc_error(error) from None
            yield from answer.lines
            if not answer.next_page:
                return
            page = answer.next_page

    def read_file(self, version: int) -> Iterator[bytes]:
        """Yields the file of a version in pieces."""
        request = qualification_registry_pb2.ReadRosterFileRequest(roster=self.roster, version=version)
        try:
            for answer in self.stub.ReadRosterFile(request, timeout=SECONDS):
                yield answer.content
        except grpc.RpcError as error:
            raise from_rpc_error(error) from None
