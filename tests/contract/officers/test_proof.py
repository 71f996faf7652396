"""The officer proof: for five minutes the portal, and nobody else, reads as the officer who is logged in."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from refusals import Refusal
from servicekit.credentials import CertificateFiles, create_channel_credentials
from servicekit.officer_proof import METADATA_KEY, PORTAL, STATEMENT_PREFIX, OfficerStatement, write_officer_proof
from servicekit.signed_statement import SigningKey
from tests.support.desk_service import INSTANCE, NAME, SUSPEND, Desk, DeskStub, request
from tests.support.officers import SigningOfficer, call, sign_request

YAMADA, ROLE = "saitama-city/yamada", "suspension"


def write_proof(key: SigningKey, officer: SigningOfficer, **changes: Any) -> bytes:
    values: dict[str, Any] = {
        "instance": INSTANCE,
        "person_id": officer.person_id,
        "certificate_sha256": sha256(officer.certificate.public_bytes(Encoding.DER)).digest(),
        "session_sha256": sha256(b"session").digest(),
        "issued_at": datetime.now(UTC),
    }
    return write_officer_proof(key, OfficerStatement(**values | changes))


async def show(
    desk: Desk, files: CertificateFiles, proof: bytes, method: str = "Look", asked: Any = None, *, address: str = ""
) -> str:
    """Calls a method with a proof, at the internal listener unless another one is given. Raises Refusal."""
    options = [("grpc.ssl_target_name_override", NAME), ("grpc.use_local_subchannel_pool", 1)]
    credentials = create_channel_credentials(files)
    async with grpc.aio.secure_channel(address or desk.internal, credentials, options) as channel:
        asked = request(method) if asked is None else asked
        response = await call(getattr(DeskStub(channel), method), asked, [(METADATA_KEY, proof)])
        answer: str = response.answer
        return answer


async def test_portal_calls_for_the_officer_by_the_service_s_own_table(desk: Desk, proof_key: SigningKey) -> None:
    officer = await desk.office.enrol(YAMADA, ROLE)
    portal, proof = desk.authority.service(PORTAL), write_proof(proof_key, officer)
    assert await show(desk, portal, proof) == f"officer {YAMADA}"
    with pytest.raises(Refusal, match="AGENCY_NOT_OWN"):
        await show(desk, portal, proof, asked=request("Look", agency="kawagoe-city"))
    await desk.office.change(officer, "binding")
    with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
        await show(desk, portal, proof)
    await desk.office.change(officer, ROLE, is_withdrawn=True)
    with pytest.raises(Refusal, match="OFFICER_CERTIFICATE_WITHDRAWN"):
        await show(desk, portal, proof)


async def test_proof_changes_nothing_without_the_officers_act(desk: Desk, proof_key: SigningKey) -> None:
    officer = await desk.office.enrol(YAMADA, ROLE)
    portal, proof = desk.authority.service(PORTAL), write_proof(proof_key, officer)
    with pytest.raises(Refusal, match="OFFICER_ACT_MISSING"):
        await show(desk, portal, proof, "Suspend")
    signed = await sign_request(SUSPEND, request("Suspend"), officer)
    assert await show(desk, portal, proof, "Suspend", signed) == f"suspended by {YAMADA}"


async def test_proof_is_refused_from_anybody_but_the_portal_and_at_other_listeners(
    desk: Desk, proof_key: SigningKey
) -> None:
    officer = await desk.office.enrol(YAMADA, ROLE)
    proof = write_proof(proof_key, officer)
    agency = desk.authority.agency("saitama-city")
    for files, address, method in (
        (desk.authority.service("front-door"), desk.internal, "Look"),
        (officer.files, desk.internal, "Look"),
        (officer.files, desk.agency, "Look"),
        (agency, desk.agency, "Look"),
        (desk.authority.service(PORTAL), desk.agency, "Look"),
        # Not for officers.
        (desk.authority.service(PORTAL), desk.internal, "Tell"),
        (desk.authority.service(PORTAL), desk.internal, "Join"),
    ):
        with pytest.raises(Refusal, match="OFFICER_PROOF_NOT_ACCEPTED"):
            await show(desk, files, proof, method, address=address)


async def test_forged_foreign_and_old_proofs_are_refused(desk: Desk, proof_key: SigningKey) -> None:
    officer = await desk.office.enrol(YAMADA, ROLE)
    other = await desk.office.enrol("saitama-city/suzuki", ROLE)
    portal, now = desk.authority.service(PORTAL), datetime.now(UTC)
    stranger = SigningKey(Ed25519PrivateKey.generate(), STATEMENT_PREFIX)
    for proof, reason in (
        (write_proof(stranger, officer), "OFFICER_PROOF_INVALID"),
        (b"\x01", "OFFICER_PROOF_INVALID"),
        (b"", "OFFICER_PROOF_INVALID"),
        (write_proof(proof_key, officer, issued_at=now + timedelta(minutes=2)), "OFFICER_PROOF_INVALID"),
        (write_proof(proof_key, officer, issued_at=now - timedelta(minutes=5)), "OFFICER_PROOF_EXPIRED"),
        (write_proof(proof_key, officer, instance="niigata"), "OFFICER_PROOF_FOR_ANOTHER_INSTANCE"),
        (write_proof(proof_key, officer, person_id=other.person_id), "CALLER_UNKNOWN"),
        (write_proof(proof_key, officer, certificate_sha256=bytes(32)), "CALLER_UNKNOWN"),
    ):
        with pytest.raises(Refusal, match=reason):
            await show(desk, portal, proof)


async def test_proof_for_an_officer_whose_authority_was_taken_out_is_refused(desk: Desk, proof_key: SigningKey) -> None:
    officer = await desk.office.enrol(YAMADA, ROLE)
    portal, proof = desk.authority.service(PORTAL), write_proof(proof_key, officer)
    assert await show(desk, portal, proof) == f"officer {YAMADA}"
    desk.officers_ca.write_bytes(desk.agencies.trusted.read_bytes())
    with pytest.raises(Refusal, match="CALLER_AUTHORITY_NOT_TRUSTED"):
        await show(desk, portal, proof)


async def test_portal_without_a_proof_is_the_service_that_it_is(desk: Desk) -> None:
    options = [("grpc.ssl_target_name_override", NAME)]
    credentials = create_channel_credentials(desk.authority.service(PORTAL))
    async with grpc.aio.secure_channel(desk.internal, credentials, options) as channel:
        stub = DeskStub(channel)
        assert (await call(stub.Tell, request("Tell"))).answer == "service portal"
        with pytest.raises(Refusal, match="CALLER_NOT_ALLOWED"):
            await call(stub.Look, request("Look"))
