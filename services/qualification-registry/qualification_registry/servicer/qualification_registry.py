"""The service QualificationRegistry: one method per RPC, which converts, calls one operation and converts."""

from collections.abc import AsyncIterator
from contextlib import aclosing

from typing_extensions import override

from officers.methods import ActMethods
from qualification_registry.convert import registry as convert
from qualification_registry.domain.roster_import import Progress
from qualification_registry.operations.bidder_list import BidderList
from qualification_registry.operations.bidder_names import BidderNames
from qualification_registry.operations.bidder_proof import BidderProofs
from qualification_registry.operations.bidder_renewal import BidderRenewal
from qualification_registry.operations.bidder_search import BidderSearch
from qualification_registry.operations.password_issue import PasswordIssue
from qualification_registry.operations.preview_list import PreviewList
from qualification_registry.operations.roster_commit import RosterCommit
from qualification_registry.operations.roster_preview import RosterPreview
from qualification_registry.operations.roster_versions import RosterVersions
from servicekit.context import Context
from servicekit.identity import caller
from toroku.qualification.v1 import qualification_registry_pb2, qualification_registry_pb2_grpc


class QualificationRegistryServicer(qualification_registry_pb2_grpc.QualificationRegistryServicer):
    """Bidders, their qualifications and their passwords."""

    def __init__(
        self,
        *,
        acts: ActMethods,
        bidder_search: BidderSearch,
        bidder_proofs: BidderProofs,
        bidder_renewal: BidderRenewal,
        roster_preview: RosterPreview,
        preview_list: PreviewList,
        roster_commit: RosterCommit,
        roster_versions: RosterVersions,
        bidder_names: BidderNames,
        bidder_list: BidderList,
        password_issue: PasswordIssue,
    ) -> None:
        self._acts = acts
        self._bidder_search = bidder_search
        self._bidder_proofs = bidder_proofs
        self._bidder_renewal = bidder_renewal
        self._roster_preview = roster_preview
        self._preview_list = preview_list
        self._roster_commit = roster_commit
        self._roster_versions = roster_versions
        self._bidder_names = bidder_names
        self._bidder_list = bidder_list
        self._password_issue = password_issue

    @override
    async def FindBidder(
        self, request: qualification_registry_pb2.FindBidderRequest, context: Context
    ) -> qualification_registry_pb2.FindBidderResponse:
        bidder = await self._bidder_search.find(convert.read_entry(request))
        return qualification_registry_pb2.FindBidderResponse(
            company=convert.write_company(bidder.company), proof=convert.write_proof(bidder.proof)
        )

    @override
    async def ConfirmBidder(
        self, request: qualification_registry_pb2.ConfirmBidderRequest, context: Context
    ) -> qualification_registry_pb2.ConfirmBidderResponse:
        names = convert.read_certificate_names(request)
        bidder = await self._bidder_proofs.confirm(convert.read_proof(request.proof), names)
        return qualification_registry_pb2.ConfirmBidderResponse(
            company=convert.write_company(bidder.company),
            statement=convert.write_statement(bidder.statement),
            proof=convert.write_proof(bidder.proof),
        )

    @override
    async def GetCompany(
        self, request: qualification_registry_pb2.GetCompanyRequest, context: Context
    ) -> qualification_registry_pb2.GetCompanyResponse:
        company = await self._bidder_renewal.find_company(request.agency, request.category, request.bidder_id)
        return qualification_registry_pb2.GetCompanyResponse(company=convert.write_company(company))

    @override
    async def ProveBidder(
        self, request: qualification_registry_pb2.ProveBidderRequest, context: Context
    ) -> qualification_registry_pb2.ProveBidderResponse:
        bidder = await self._bidder_renewal.prove(convert.read_new_card(request))
        return qualification_registry_pb2.ProveBidderResponse(
            company=convert.write_company(bidder.company), proof=convert.write_proof(bidder.proof)
        )

    @override
    async def PreviewRoster(
        self, request_iterator: AsyncIterator[qualification_registry_pb2.PreviewRosterRequest], context: Context
    ) -> AsyncIterator[qualification_registry_pb2.PreviewRosterResponse]:
        parts = (convert.read_upload_part(request) async for request in request_iterator)
        async with aclosing(self._roster_preview.preview(parts, officer=caller())) as steps:
            async for step in steps:
                yield convert.write_preview_response(step)

    @override
    async def ListPreviewLines(
        self, request: qualification_registry_pb2.ListPreviewLinesRequest, context: Context
    ) -> qualification_registry_pb2.ListPreviewLinesResponse:
        page = await self._preview_list.read_lines(
            convert.read_import_id(request.import_id),
            convert.read_line_kinds(request.kinds),
            page=request.page,
            most=request.most,
            officer=caller(),
        )
        return convert.write_preview_page(page)

    @override
    async def ListUndecidedRows(
        self, request: qualification_registry_pb2.ListUndecidedRowsRequest, context: Context
    ) -> qualification_registry_pb2.ListUndecidedRowsResponse:
        rows = await self._preview_list.read_undecided(
            convert.read_import_id(request.import_id), after=request.after, most=request.most, officer=caller()
        )
        return convert.write_undecided_rows(rows)

    @override
    async def CommitRoster(
        self, request: qualification_registry_pb2.CommitRosterRequest, context: Context
    ) -> AsyncIterator[qualification_registry_pb2.CommitRosterResponse]:
        act = self._acts.read(request, caller())
        import_id, answers = convert.read_import_id(request.import_id), convert.read_answers(request)
        yield qualification_registry_pb2.CommitRosterResponse(progress=convert.write_progress(Progress("write")))
        commit = await self._roster_commit.commit(act, import_id, answers)
        yield qualification_registry_pb2.CommitRosterResponse(commit=convert.write_commit(commit))

    @override
    async def CancelRosterPreview(
        self, request: qualification_registry_pb2.CancelRosterPreviewRequest, context: Context
    ) -> qualification_registry_pb2.CancelRosterPreviewResponse:
        act = self._acts.read(request, caller())
        await self._roster_preview.cancel(act, convert.read_import_id(request.import_id))
        return qualification_registry_pb2.CancelRosterPreviewResponse()

    @override
    async def ListRosterVersions(
        self, request: qualification_registry_pb2.ListRosterVersionsRequest, context: Context
    ) -> qualification_registry_pb2.ListRosterVersionsResponse:
        versions = await self._roster_versions.list_versions(
            request.roster, before=request.before, most=request.most, officer=caller()
        )
        return convert.write_versions(versions)

    @override
    async def ListVersionLines(
        self, request: qualification_registry_pb2.ListVersionLinesRequest, context: Context
    ) -> qualification_registry_pb2.ListVersionLinesResponse:
        page = await self._roster_versions.read_lines(
            request.roster, request.version, page=request.page, most=request.most, officer=caller()
        )
        return convert.write_line_page(page)

    @override
    async def ReadRosterFile(
        self, request: qualification_registry_pb2.ReadRosterFileRequest, context: Context
    ) -> AsyncIterator[qualification_registry_pb2.ReadRosterFileResponse]:
        async with aclosing(
            self._roster_versions.read_file(request.roster, request.version, officer=caller())
        ) as pieces:
            async for content in pieces:
                yield qualification_registry_pb2.ReadRosterFileResponse(content=content)

    @override
    async def CompareName(
        self, request: qualification_registry_pb2.CompareNameRequest, context: Context
    ) -> qualification_registry_pb2.CompareNameResponse:
        compared = await self._bidder_names.compare(request.agency, request.category, request.bidder_id, request.name)
        return convert.write_compared_name(compared)

    @override
    async def ListBidders(
        self, request: qualification_registry_pb2.ListBiddersRequest, context: Context
    ) -> qualification_registry_pb2.ListBiddersResponse:
        bidders = await self._bidder_list.read_page(
            request.agency, request.category, after=request.after, most=request.most
        )
        return qualification_registry_pb2.ListBiddersResponse(bidders=map(convert.write_listed_bidder, bidders))

    @override
    async def IssuePasswords(
        self, request: qualification_registry_pb2.IssuePasswordsRequest, context: Context
    ) -> AsyncIterator[qualification_registry_pb2.IssuePasswordsResponse]:
        act = self._acts.read(request, caller())
        order = convert.read_issue_order(request)
        batches = self._password_issue.issue(act, request.agency, request.category, order)
        async with aclosing(batches):
            async for batch in batches:
                for response in convert.write_issue_responses(batch):
                    yield response
