"""protobuf ↔ domain."""

from datetime import UTC, datetime

from google.protobuf.message import DecodeError

from qualification_registry.domain.bidders import Bidder, BidderStatus, Company, ListedBidder
from qualification_registry.domain.proof import Proof, Statement
from qualification_registry.domain.roster_comparison import Changed, Named, Suggestion
from qualification_registry.domain.roster_errors import RowError
from qualification_registry.operations.password_issue import Letter
from qualification_registry.operations.roster_commit import Committed
from qualification_registry.operations.roster_preview import Preview, Progress
from refusals import Code, Refusal
from toroku.event.v1 import version_pb2
from toroku.qualification.v1 import resources_pb2, service_pb2

_STATUSES = {
    BidderStatus.ACTIVE: resources_pb2.BIDDER_STATUS_ACTIVE,
    BidderStatus.SUSPENDED: resources_pb2.BIDDER_STATUS_SUSPENDED,
    BidderStatus.ENDED: resources_pb2.BIDDER_STATUS_ENDED,
}


def company_message(company: Company) -> resources_pb2.CompanyProfile:
    """A company; what the roster lacks is not set."""
    return resources_pb2.CompanyProfile(
        bidder_id=company.bidder_id,
        name=company.name,
        postal_code=company.postal_code,
        address=company.address,
        representative_name=company.representative_name,
        representative_title=company.representative_title,
        telephone=company.telephone,
        fax=company.fax,
        department=company.department,
        branch=company.branch,
        region=company.region,
        permit_number=company.permit_number,
        corporate_number=company.corporate_number,
        grades=[resources_pb2.Grade(kind=grade.kind, grade=grade.grade) for grade in company.grades],
    )


def bidder_message(bidder: Bidder) -> resources_pb2.Bidder:
    """The state of a bidder, as an event."""
    return resources_pb2.Bidder(
        bidder_id=bidder.bidder_id,
        status=_STATUSES[bidder.status],
        version=version_pb2.Version(epoch=bidder.version.epoch, number=bidder.version.number),
    )


def listed_message(listed: ListedBidder) -> resources_pb2.ListedBidder:
    """A bidder in the list of a category."""
    return resources_pb2.ListedBidder(
        bidder_id=listed.bidder_id, name=listed.name, agencies=listed.agencies, has_password=listed.has_password
    )


def statement_message(statement: Statement) -> resources_pb2.BidderStatement:
    """What a proof states."""
    message = resources_pb2.BidderStatement(
        instance=statement.instance,
        bidder_id=statement.bidder_id,
        agency=statement.agency,
        category=statement.category,
        certificate_sha256=statement.certificate_sha256,
    )
    message.issued_at.FromDatetime(statement.issued_at)
    message.expires_at.FromDatetime(statement.expires_at)
    return message


def statement_of(proof: Proof) -> Statement:
    """What a proof states; its signature has to be checked first. Raises BIDDER_PROOF_INVALID."""
    try:
        message = resources_pb2.BidderStatement.FromString(proof.statement)
    except DecodeError:
        raise Refusal("BIDDER_PROOF_INVALID", Code.PERMISSION_DENIED) from None
    return Statement(
        instance=message.instance,
        bidder_id=message.bidder_id,
        agency=message.agency,
        category=message.category,
        certificate_sha256=message.certificate_sha256,
        issued_at=_instant(message.issued_at.ToDatetime()),
        expires_at=_instant(message.expires_at.ToDatetime()),
    )


def proof_message(proof: Proof) -> resources_pb2.BidderProof:
    """A proof, to be handed on."""
    return resources_pb2.BidderProof(statement=proof.statement, key_id=proof.key_id, signature=proof.signature)


def proof_of(message: resources_pb2.BidderProof) -> Proof:
    """A proof as somebody handed it in; nothing of it is checked."""
    return Proof(message.statement, message.key_id, message.signature)


def progress_message(progress: Progress) -> resources_pb2.Progress:
    """How far an import has come."""
    return resources_pb2.Progress(step=progress.step, done=progress.done, total=progress.total)


def preview_message(preview: Preview) -> resources_pb2.RosterPreview:
    """What an import would do."""
    return resources_pb2.RosterPreview(
        import_id=str(preview.import_id),
        roster=preview.roster,
        rows=preview.rows,
        new=preview.new,
        changed=preview.changed,
        gone=preview.gone,
        unchanged=preview.unchanged,
        undecided=map(_undecided, preview.undecided),
        errors=map(_error, preview.errors),
        error_count=preview.error_count,
        changed_bidders=map(_changed, preview.changed_bidders),
        new_bidders=map(_line, preview.new_bidders),
        gone_bidders=map(_line, preview.gone_bidders),
        same_as_current=preview.same_as_current,
    )


def commit_message(committed: Committed) -> service_pb2.RosterCommit:
    """What an import did."""
    return service_pb2.RosterCommit(
        import_id=str(committed.import_id),
        roster_version=committed.roster_version,
        new=committed.new,
        changed=committed.changed,
        gone=committed.gone,
        unchanged=committed.unchanged,
    )


def letter_message(letter: Letter) -> resources_pb2.PasswordLetter:
    """A password on its way to its bidder."""
    return resources_pb2.PasswordLetter(
        company=company_message(letter.company), category=letter.category, password=letter.password
    )


def _instant(naive: datetime) -> datetime:
    return naive.replace(tzinfo=UTC)


def _undecided(suggestion: Suggestion) -> resources_pb2.UndecidedRow:
    line = suggestion.undecided
    return resources_pb2.UndecidedRow(
        row=line.row, name=line.name, address=line.address, suggested_bidder_id=suggestion.bidder_id
    )


def _error(error: RowError) -> resources_pb2.RowError:
    return resources_pb2.RowError(row=error.row, column=error.column, reason=error.reason, metadata=error.metadata)


def _changed(changed: Changed) -> resources_pb2.ChangedBidder:
    return resources_pb2.ChangedBidder(bidder_id=changed.bidder_id, name=changed.name, fields=changed.fields)


def _line(named: Named) -> resources_pb2.RosterLine:
    return resources_pb2.RosterLine(bidder_id=named.bidder_id, name=named.name, row=named.row)
