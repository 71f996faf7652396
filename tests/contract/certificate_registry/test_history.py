"""The history of certificate-registry: digests at the commit, receipts once it is sealed, and erasure."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_der_x509_certificate
from psycopg.errors import RaiseException

from certificate_registry.commands.erase_card import read_card_order
from certificate_registry.operations.erasure import CardErasure
from history.entries import Chain, StoredEntry
from history.findings import Fault, Finding
from history.heads import SealedBatch
from history.reading import read_history
from history.receipt import read_receipt, verify_receipt
from history.sealing import seal_batch
from history.verification import Verification
from servicekit.database_clock import read_time
from servicekit.exceptions import CommandFailed
from servicekit.signed_statement import SigningKey
from servicekit.telemetry import find_trace_id
from tests.support.contractor import PREFIX
from tests.support.example_profile import BIDDER, CITY, PREFECTURE
from tests.support.history import make_key
from tests.support.services.card_visit import Visit
from tests.support.services.certificate_registry import RunningCertificateRegistry
from toroku.certificate.v1 import certificate_registry_pb2


async def ask_outcome(
    registry: RunningCertificateRegistry, visit: Visit
) -> certificate_registry_pb2.GetOutcomeResponse:
    return await registry.stub.GetOutcome(
        certificate_registry_pb2.GetOutcomeRequest(certificate_sha256=visit.card.sha256, request_id=visit.request_id)
    )


def chain_of(registry: RunningCertificateRegistry) -> Chain:
    return Chain(registry.profile.id, "certificate-registry")


async def verify(registry: RunningCertificateRegistry, key: SigningKey) -> list[Finding]:
    """Seals what is there, and returns what a verification of all finds."""
    await seal_batch(registry.database, chain_of(registry), key)
    verification = Verification(chain_of(registry), {key.key_id: key.public_key})
    items: list[SealedBatch | StoredEntry] = []
    async for portion in read_history(registry.database):
        items += portion
    return [*(finding for item in items for finding in verification.take(item)), *verification.end()]


@pytest.mark.every_postgresql
@pytest.mark.requirement("LIF-05")
async def test_history_contains_caller_change_and_signed_act(registry: RunningCertificateRegistry) -> None:
    with registry.counted_spans():
        visit, registration = await registry.register_new()
        trace = find_trace_id()
    ((who, what, bidder_id, agencies, request_id, trace_id, details),) = await registry.rows(
        "SELECT who, what, bidder_id, agencies, request_id, trace_id, details::json "
        "FROM history_entry JOIN history_details USING (number)"
    )
    assert (who, what) == (f"card {visit.card.sha256.hex()}", "registered")
    assert (bidder_id, agencies) == (BIDDER, [PREFECTURE])
    assert (str(request_id), trace_id) == (visit.request_id, trace)
    assert details["before"] == {"bound_to": None}
    assert details["after"] == {
        "bound_to": BIDDER,
        "registrations": {PREFECTURE: registration.registration_id},
    }
    act = details["act"]
    purpose, signature, certificate = (b64decode(act[name]) for name in ("purpose", "signature", "certificate"))
    assert (purpose, signature) == (visit.act.purpose, visit.act.signature)
    # The entry suffices to prove later that this card agreed.
    key = load_der_x509_certificate(certificate).public_key()
    assert act["algorithm"] == "ECDSA_SHA256"
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, PREFIX + purpose, ec.ECDSA(hashes.SHA256()))


@pytest.mark.requirement("LIF-05")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE history_entry SET who = 'somebody else'",
        "DELETE FROM history_entry",
        "TRUNCATE history_entry",
        "UPDATE binding SET bidder_id = '1000000009'",
        "DELETE FROM binding",
    ],
)
async def test_history_and_bindings_can_not_be_changed(registry: RunningCertificateRegistry, statement: str) -> None:
    await registry.register_new()
    with pytest.raises(RaiseException):
        await registry.execute(statement)


@pytest.mark.requirement("LIF-05")
async def test_receipt_proves_the_digest_that_the_registration_promised(registry: RunningCertificateRegistry) -> None:
    visit = await registry.prepare(Visit(registry.card()))
    digest = (await registry.register(visit)).history_digest
    # A retry gets the same one, when nonce and proof have expired too.
    registry.pass_time(timedelta(minutes=9))
    assert (await registry.register(visit, proof=visit.proof)).history_digest == digest
    # The same request id of another card is another request.
    other = await registry.prepare(Visit(registry.card(), request_id=visit.request_id))
    assert (await registry.register(other)).history_digest != digest
    outcome = await ask_outcome(registry, visit)
    assert (outcome.history_digest, outcome.history_receipt) == (digest, "")
    key = make_key()
    await seal_batch(registry.database, chain_of(registry), key)
    receipt = read_receipt((await ask_outcome(registry, visit)).history_receipt)
    head = verify_receipt(receipt, {key.key_id: key.public_key}, entry=digest)
    assert head.chain == chain_of(registry).id


async def test_history_of_all_acts_is_what_was_sealed(registry: RunningCertificateRegistry) -> None:
    visit, registration = await registry.register_new()
    await registry.propagate({CITY: [registration.registration_id]})
    registry.ca.revoke(visit.card)
    await registry.fetch_lists()
    assert await verify(registry, make_key()) == []
    assert await registry.rows("SELECT what FROM history_entry JOIN history_position USING (number)") == [
        ("registered",),
        ("propagated",),
        ("revoked",),
    ]


@pytest.mark.requirement("LIF-05")
async def test_erased_card_is_in_no_details_and_the_chain_stands(registry: RunningCertificateRegistry) -> None:
    visit, registration = await registry.register_new()
    await registry.propagate({CITY: [registration.registration_id]})
    other, _ = await registry.register_new()
    key = make_key()
    assert await verify(registry, key) == []
    erasure = CardErasure(database=registry.database, chain=chain_of(registry), clock=read_time)
    count, act = await erasure.erase(visit.card.sha256, "request of the person")
    assert act is not None
    assert count == 2
    assert await erasure.erase(visit.card.sha256, "once more") == (0, None)
    left = [json.loads(details) for (details,) in await registry.rows("SELECT details FROM history_details")]
    assert [details["after"].get("reason", "") for details in left] == ["", "request of the person"]
    ((details,),) = await registry.rows("SELECT details FROM history_details WHERE details LIKE '%certificate%'")
    assert json.loads(details)["act"]["signature"] == b64encode(other.act.signature).decode()
    assert explain(await verify(registry, key)) == [(None, act.number)] * 2


def explain(findings: Iterable[Finding]) -> list[tuple[Fault | None, int | None]]:
    """Returns fault and act of each."""
    return [(finding.fault, finding.act) for finding in findings]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--certificate-sha256", "ab" * 32],
        ["--certificate-sha256", "ab" * 31, "--reason", "why"],
        ["--certificate-sha256", "xy" * 32, "--reason", "why"],
        ["--certificate-sha256", "ab" * 32, "--reason", " "],
        ["--certificate-sha256", "ab" * 32, "--reason", "why" * 200],
        ["--certificate-sha256", "ab" * 32, "--reason", "why", "--force"],
    ],
)
def test_order_to_erase_names_card_and_reason(arguments: list[str]) -> None:
    with pytest.raises(CommandFailed):
        read_card_order(arguments)
    assert read_card_order(["--reason", "why", "--certificate-sha256", "ab" * 32]) == (b"\xab" * 32, "why")
