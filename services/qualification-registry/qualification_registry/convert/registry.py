"""Converts between protobuf and domain types."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date
from uuid import UUID

from google.protobuf.message import DecodeError

from instance_profile.characters import shorten_visible
from instance_profile.name_comparison import NameComparison
from instance_profile.name_rules import NameVerdict
from qualification_registry.domain.bidders import (
    Company,
    ListedBidder,
)
from qualification_registry.domain.certificate_names import CertificateNames, CompanyComparison, HolderComparison
from qualification_registry.domain.new_card import NewCard
from qualification_registry.domain.passwords import IssueOrder, LetterBatch, PasswordLetter
from qualification_registry.domain.proof import Proof, Proven, Statement, refuse_proof
from qualification_registry.domain.roster_changes import LineKind, PreviewLine, PreviewPage
from qualification_registry.domain.roster_comparison import read_address, read_name
from qualification_registry.domain.roster_decisions import Answers, Decision
from qualification_registry.domain.roster_errors import RowError
from qualification_registry.domain.roster_import import (
    CommitResult,
    ImportCounts,
    Preview,
    Progress,
    RosterHeader,
    UndecidedRow,
    preview_unknown,
)
from qualification_registry.domain.roster_term import Term
from qualification_registry.domain.roster_versions import LinePage, RosterLine, RosterVersion, VersionState
from qualification_registry.domain.search import ComparedName, SearchEntry
from refusals import Code, Refusal
from servicekit.messages import check_sha256, read_timestamp, write_timestamp
from toroku.qualification.v1 import bidder_pb2, qualification_registry_pb2

_MOST_DAY_CHARACTERS = 20
COMPANY_COMPARISONS = {
    CompanyComparison.SAME: bidder_pb2.COMPANY_COMPARISON_SAME,
    CompanyComparison.UNREADABLE: bidder_pb2.COMPANY_COMPARISON_UNREADABLE,
    CompanyComparison.DIFFERENT: bidder_pb2.COMPANY_COMPARISON_DIFFERENT,
}
HOLDER_COMPARISONS = {
    HolderComparison.CONTRACT_PARTY: bidder_pb2.HOLDER_COMPARISON_CONTRACT_PARTY,
    HolderComparison.REPRESENTATIVE: bidder_pb2.HOLDER_COMPARISON_REPRESENTATIVE,
    HolderComparison.UNREADABLE: bidder_pb2.HOLDER_COMPARISON_UNREADABLE,
    HolderComparison.DIFFERENT: bidder_pb2.HOLDER_COMPARISON_DIFFERENT,
}
_LINE_KINDS = {
    LineKind.NEW: bidder_pb2.LINE_KIND_NEW,
    LineKind.IDENTITY_CHANGED: bidder_pb2.LINE_KIND_IDENTITY_CHANGED,
    LineKind.CHANGED: bidder_pb2.LINE_KIND_CHANGED,
    LineKind.GRADES_CHANGED: bidder_pb2.LINE_KIND_GRADES_CHANGED,
    LineKind.GONE: bidder_pb2.LINE_KIND_GONE,
}
_READ_LINE_KINDS = {message: kind for kind, message in _LINE_KINDS.items()}
_VERSION_STATES = {
    VersionState.IN_FORCE: bidder_pb2.ROSTER_VERSION_STATE_IN_FORCE,
    VersionState.NOT_YET: bidder_pb2.ROSTER_VERSION_STATE_NOT_YET,
    VersionState.ENDED: bidder_pb2.ROSTER_VERSION_STATE_ENDED,
    VersionState.REPLACED: bidder_pb2.ROSTER_VERSION_STATE_REPLACED,
}
_NAME_VERDICTS = {
    NameVerdict.SAME: qualification_registry_pb2.NAME_VERDICT_SAME,
    NameVerdict.PERHAPS_SAME: qualification_registry_pb2.NAME_VERDICT_PERHAPS_SAME,
    NameVerdict.DIFFERENT: qualification_registry_pb2.NAME_VERDICT_DIFFERENT,
}
_READ_COMPANY_COMPARISONS = {message: comparison for comparison, message in COMPANY_COMPARISONS.items()}
_READ_HOLDER_COMPARISONS = {message: comparison for comparison, message in HOLDER_COMPARISONS.items()}


def read_entry(request: qualification_registry_pb2.FindBidderRequest) -> SearchEntry:
    """Returns what a contractor entered. Raises CERTIFICATE_SHA256_INVALID."""
    return SearchEntry(
        agency=request.agency,
        category=request.category,
        certificate_sha256=check_sha256(request.certificate_sha256, "CERTIFICATE_SHA256_INVALID"),
        name=request.name,
        bidder_id=request.bidder_id,
        password=request.password,
        names=read_certificate_names(request),
    )


def read_new_card(request: qualification_registry_pb2.ProveBidderRequest) -> NewCard:
    """Returns the new card of a renewal, and the bidder. Raises CERTIFICATE_SHA256_INVALID."""
    return NewCard(
        agency=request.agency,
        category=request.category,
        bidder_id=request.bidder_id,
        certificate_sha256=check_sha256(request.certificate_sha256, "CERTIFICATE_SHA256_INVALID"),
        names=read_certificate_names(request),
    )


def read_certificate_names(
    request: qualification_registry_pb2.FindBidderRequest
    | qualification_registry_pb2.ConfirmBidderRequest
    | qualification_registry_pb2.ProveBidderRequest,
) -> CertificateNames:
    """Returns the names in the certificate of a card."""
    return CertificateNames(
        request.certificate_company_name if request.HasField("certificate_company_name") else None,
        request.certificate_holder_name if request.HasField("certificate_holder_name") else None,
    )


def read_upload_part(request: qualification_registry_pb2.PreviewRosterRequest) -> RosterHeader | bytes:
    """Returns the header or a piece of a roster file.

    Raises ROSTER_STREAM_WRONG where the message has neither, and ROSTER_TERM_WRONG.
    """
    part = request.WhichOneof("part")
    if part == "header":
        header = request.header
        return RosterHeader(header.mapping, header.file_name, read_term(header.term_from, header.term_until))
    if part == "content":
        return request.content
    raise Refusal("ROSTER_STREAM_WRONG", Code.INVALID_ARGUMENT)


def read_term(first_day: str, last_day: str) -> Term:
    """Returns a term; two empty texts are the only term of a roster without terms. Raises ROSTER_TERM_WRONG."""
    days = [_read_day(text) if text else None for text in (first_day, last_day)]
    if days[0] is None and days[1] is not None:
        raise _refuse_term(last_day)
    return Term(*days)


def read_import_id(text: str) -> UUID:
    """Returns the id of an import. Raises ROSTER_PREVIEW_UNKNOWN for a text that is no id."""
    try:
        return UUID(text)
    except ValueError:
        raise preview_unknown() from None


def read_answers(request: qualification_registry_pb2.CommitRosterRequest) -> Answers:
    """Returns an officer's answers to a preview."""
    decisions = [Decision(message.row, message.bidder_id) for message in request.decisions]
    return Answers(decisions, request.accept_suggestions, request.confirmed)


def read_issue_order(request: qualification_registry_pb2.IssuePasswordsRequest) -> IssueOrder:
    """Returns which bidders get passwords, and why."""
    return IssueOrder(request.bidder_ids, request.reissue, request.reason, request.document)


def read_line_kinds(messages: Sequence[bidder_pb2.LineKind.ValueType]) -> Collection[LineKind]:
    """Returns the kinds of lines that an officer asks for: all where none is named; those that are no kind are none."""
    if not messages:
        return set(LineKind)
    return {_READ_LINE_KINDS[message] for message in messages if message in _READ_LINE_KINDS}


def read_proof(message: bidder_pb2.BidderProof) -> Proof:
    """Returns a proof as received; unverified."""
    return Proof(message.statement, message.key_id, message.signature)


def write_company(company: Company) -> bidder_pb2.CompanyProfile:
    """Returns a company as a message; fields that the roster lacks are not set."""
    return bidder_pb2.CompanyProfile(
        bidder_id=company.bidder_id,
        name=company.name,
        postal_code=company.postal_code,
        address=company.address,
        representative_name=company.representative_name,
        contract_party_name=company.contract_party_name,
        representative_title=company.representative_title,
        telephone=company.telephone,
        fax=company.fax,
        department=company.department,
        branch=company.branch,
        region=company.region,
        permit_number=company.permit_number,
        corporate_number=company.corporate_number,
        grades=[bidder_pb2.Grade(kind=grade.kind, grade=grade.grade) for grade in company.grades],
    )


def write_compared_name(compared: ComparedName) -> qualification_registry_pb2.CompareNameResponse:
    """Returns a comparison of names as a message."""
    return qualification_registry_pb2.CompareNameResponse(
        roster_name=compared.roster_name,
        verdict=_NAME_VERDICTS[compared.comparison.verdict],
        differences=write_differences(compared.comparison),
    )


def write_differences(comparison: NameComparison) -> list[qualification_registry_pb2.NameDifference]:
    """Returns the pieces in which two names differ as messages."""
    return [
        qualification_registry_pb2.NameDifference(
            name=difference.name,
            roster_name=difference.roster_name,
            rule=difference.rule,
            verdict=_NAME_VERDICTS[difference.verdict],
            name_position=difference.name_start + 1,
            roster_position=difference.roster_start + 1,
        )
        for difference in comparison.differences
    ]


def write_listed_bidder(bidder: ListedBidder) -> bidder_pb2.ListedBidder:
    """Returns a bidder of a category's list as a message."""
    return bidder_pb2.ListedBidder(
        bidder_id=bidder.bidder_id, name=bidder.name, agencies=bidder.agencies, has_password=bidder.has_password
    )


def write_statement(statement: Statement) -> bidder_pb2.BidderStatement:
    """Returns a statement as a message."""
    return bidder_pb2.BidderStatement(
        instance=statement.instance,
        bidder_id=statement.bidder_id,
        agency=statement.agency,
        category=statement.category,
        certificate_sha256=statement.certificate_sha256,
        issued_at=write_timestamp(statement.issued_at),
        expires_at=write_timestamp(statement.expires_at),
        proven=bidder_pb2.Proven(
            password=statement.proven.password,
            company=COMPANY_COMPARISONS[statement.proven.company],
            holder=HOLDER_COMPARISONS[statement.proven.holder],
        ),
        password_issued_at=(
            write_timestamp(statement.password_issued_at) if statement.password_issued_at is not None else None
        ),
        card_approval=statement.card_approval,
        for_renewal=statement.for_renewal,
    )


def serialize_statement(statement: Statement) -> bytes:
    """Returns a statement in the form that is signed: its serialized message."""
    return write_statement(statement).SerializeToString(deterministic=True)


def parse_statement(serialized: bytes) -> Statement:
    """Returns a serialized statement, whose signature has to be checked before. Raises BIDDER_PROOF_INVALID."""
    try:
        message = bidder_pb2.BidderStatement.FromString(serialized)
        proven = Proven(
            message.proven.password,
            _READ_COMPANY_COMPARISONS[message.proven.company],
            _READ_HOLDER_COMPARISONS[message.proven.holder],
        )
    except (DecodeError, KeyError):
        raise refuse_proof() from None
    return Statement(
        instance=message.instance,
        bidder_id=message.bidder_id,
        agency=message.agency,
        category=message.category,
        certificate_sha256=message.certificate_sha256,
        issued_at=read_timestamp(message.issued_at),
        expires_at=read_timestamp(message.expires_at),
        proven=proven,
        password_issued_at=(
            read_timestamp(message.password_issued_at) if message.HasField("password_issued_at") else None
        ),
        card_approval=message.card_approval,
        for_renewal=message.for_renewal,
    )


def write_proof(proof: Proof) -> bidder_pb2.BidderProof:
    """Returns a proof as a message."""
    return bidder_pb2.BidderProof(statement=proof.statement, key_id=proof.key_id, signature=proof.signature)


def write_progress(progress: Progress) -> bidder_pb2.Progress:
    """Returns the progress of an import or of an issue of passwords as a message."""
    return bidder_pb2.Progress(step=progress.step, done=progress.done, total=progress.total)


def write_preview(preview: Preview) -> bidder_pb2.RosterPreview:
    """Returns a preview as a message."""
    counts = preview.counts
    return bidder_pb2.RosterPreview(
        import_id=str(preview.import_id),
        roster=preview.roster,
        rows=counts.rows,
        new=counts.new,
        changed=counts.changed,
        gone=counts.gone,
        unchanged=counts.unchanged,
        undecided=map(_undecided_message, preview.undecided),
        undecided_row_count=preview.undecided_row_count,
        errors=map(_error_message, preview.errors),
        error_count=counts.error_count,
        counts=_write_counts(counts),
        questions=[
            bidder_pb2.RosterQuestion(reason=question.reason, metadata=question.metadata)
            for question in preview.questions
        ],
        same_as_current=preview.same_as_current,
        term_from=_write_day(preview.term.first_day),
        term_until=_write_day(preview.term.last_day),
    )


def write_preview_response(step: Progress | Preview) -> qualification_registry_pb2.PreviewRosterResponse:
    """Returns the answer that carries a step of a preview."""
    if isinstance(step, Preview):
        return qualification_registry_pb2.PreviewRosterResponse(preview=write_preview(step))
    return qualification_registry_pb2.PreviewRosterResponse(progress=write_progress(step))


def write_preview_page(page: PreviewPage) -> qualification_registry_pb2.ListPreviewLinesResponse:
    """Returns a page of a preview's lines as a message."""
    return qualification_registry_pb2.ListPreviewLinesResponse(
        lines=map(_preview_line_message, page.lines), next_page=page.next_page
    )


def write_undecided_rows(rows: Iterable[UndecidedRow]) -> qualification_registry_pb2.ListUndecidedRowsResponse:
    """Returns a page of a preview's undecided rows as a message."""
    return qualification_registry_pb2.ListUndecidedRowsResponse(rows=map(_undecided_message, rows))


def write_commit(commit: CommitResult) -> qualification_registry_pb2.RosterCommit:
    """Returns the result of a commit as a message."""
    return qualification_registry_pb2.RosterCommit(
        import_id=str(commit.import_id),
        roster_version=commit.roster_version,
        new=commit.new,
        changed=commit.changed,
        gone=commit.gone,
        unchanged=commit.unchanged,
    )


def write_versions(
    versions: Iterable[tuple[RosterVersion, VersionState]],
) -> qualification_registry_pb2.ListRosterVersionsResponse:
    """Returns versions of a roster, each with its state, as a message."""
    return qualification_registry_pb2.ListRosterVersionsResponse(
        versions=[
            bidder_pb2.RosterVersion(
                version=version.version,
                state=_VERSION_STATES[state],
                mapping=version.mapping,
                file_name=version.file_name,
                file_sha256=version.file_sha256,
                rows=version.counts.rows,
                counts=_write_counts(version.counts),
                unchanged=version.counts.unchanged,
                term_from=_write_day(version.term.first_day),
                term_until=_write_day(version.term.last_day),
                committed_at=write_timestamp(version.committed_at),
                committed_by=version.committed_by,
                confirmed=version.confirmed,
            )
            for version, state in versions
        ]
    )


def write_line_page(page: LinePage) -> qualification_registry_pb2.ListVersionLinesResponse:
    """Returns a page of a version's lines as a message."""
    return qualification_registry_pb2.ListVersionLinesResponse(
        lines=map(_line_message, page.lines), next_page=page.next_page
    )


def write_letter(letter: PasswordLetter) -> bidder_pb2.PasswordLetter:
    """Returns a letter as a message."""
    return bidder_pb2.PasswordLetter(
        company=write_company(letter.company), category=letter.category, password=letter.password
    )


def write_issue_responses(batch: LetterBatch) -> Iterable[qualification_registry_pb2.IssuePasswordsResponse]:
    """Yields the answers that carry a batch of letters: each letter, then the progress."""
    for letter in batch.letters:
        yield qualification_registry_pb2.IssuePasswordsResponse(letter=write_letter(letter))
    progress = Progress("hash", batch.done, batch.total)
    yield qualification_registry_pb2.IssuePasswordsResponse(progress=write_progress(progress))


def _undecided_message(row: UndecidedRow) -> bidder_pb2.UndecidedRow:
    return bidder_pb2.UndecidedRow(
        row=row.row,
        name=read_name(row.line),
        address=read_address(row.line),
        suggested_bidder_id=row.suggested_bidder_id,
        reason=row.reason,
        alike=[
            bidder_pb2.AlikeBidder(
                bidder_id=bidder.bidder_id,
                name=bidder.name,
                address=bidder.address,
                corporate_number=bidder.corporate_number,
            )
            for bidder in row.alike
        ],
    )


def _write_counts(counts: ImportCounts) -> Iterable[bidder_pb2.LineCount]:
    return [bidder_pb2.LineCount(kind=_LINE_KINDS[kind], count=count) for kind, count in counts.kinds.items()]


def _line_message(line: RosterLine) -> bidder_pb2.RosterLine:
    return bidder_pb2.RosterLine(
        company=write_company(line.company),
        agencies=line.agencies,
        valid_from=_write_day(line.valid_from),
        valid_until=_write_day(line.valid_until),
        since_version=line.since_version,
        row=line.row,
        predecessor=line.predecessor or "",
        predecessor_kind=line.predecessor_kind or "",
        under_review=line.is_under_review,
    )


def _read_day(text: str) -> date:
    """Returns a day that is written as YYYY-MM-DD, and in no other way that Python accepts."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _refuse_term(text) from None
    if day.isoformat() != text:
        raise _refuse_term(text)
    return day


def _write_day(day: date | None) -> str:
    return day.isoformat() if day is not None else ""


def _refuse_term(text: str) -> Refusal:
    metadata = {"day": shorten_visible(text, _MOST_DAY_CHARACTERS)}
    return Refusal("ROSTER_TERM_WRONG", Code.INVALID_ARGUMENT, metadata)


def _error_message(error: RowError) -> bidder_pb2.RowError:
    return bidder_pb2.RowError(row=error.row, column=error.column, reason=error.reason, metadata=error.metadata)


def _preview_line_message(line: PreviewLine) -> bidder_pb2.PreviewLine:
    return bidder_pb2.PreviewLine(
        kind=_LINE_KINDS[line.kind],
        bidder_id=line.bidder_id,
        name=line.name,
        row=line.row,
        changes=[
            bidder_pb2.FieldChange(field=change.field, kind=change.kind, before=change.before, after=change.after)
            for change in line.changes
        ],
    )
