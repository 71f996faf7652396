"""Officers as certificate-registry reports them, in both directions: its message, and what the directory keeps."""

from cryptography.x509 import load_der_x509_certificate

from officers.directory import PERSON_ID, OfficerCertificate, OfficerState
from refusals import Code, Refusal
from servicekit.messages import read_timestamp, write_timestamp
from servicekit.versions import Version
from signed_acts.keys import CODE
from toroku.event.v1 import version_pb2
from toroku.officer.v1 import officer_directory_pb2


def read_officer_state(message: officer_directory_pb2.OfficerState) -> OfficerState:
    """Returns an officer as it is reported; raises OFFICER_MALFORMED."""
    malformed = Refusal("OFFICER_MALFORMED", Code.INVALID_ARGUMENT, {"person_id": message.person_id[:64]})
    try:
        certificates = [
            OfficerCertificate(given.certificate, read_timestamp(given.valid_until)) for given in message.certificates
        ]
        for given in certificates:
            load_der_x509_certificate(given.certificate)
    except ValueError as error:
        raise malformed from error
    version = Version(message.version.epoch, message.version.number)
    is_named = PERSON_ID.fullmatch(message.person_id) is not None and CODE.fullmatch(message.agency) is not None
    if not is_named or message.version.epoch < 1 or message.version.number < 1:
        raise malformed
    return OfficerState(
        person_id=message.person_id,
        agency=message.agency,
        roles=frozenset(message.roles),
        certificates=certificates,
        version=version,
    )


def write_officer_state(state: OfficerState) -> officer_directory_pb2.OfficerState:
    """Returns an officer as a message."""
    return officer_directory_pb2.OfficerState(
        person_id=state.person_id,
        agency=state.agency,
        roles=sorted(state.roles),
        certificates=[
            officer_directory_pb2.OfficerCertificate(
                certificate=given.certificate, valid_until=write_timestamp(given.valid_until)
            )
            for given in state.certificates
        ],
        version=version_pb2.Version(epoch=state.version.epoch, number=state.version.number),
    )
