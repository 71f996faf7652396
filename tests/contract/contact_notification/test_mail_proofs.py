"""A mail of an act carries the whole proof of it: whoever has the mail and the public key needs nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from history.entries import Chain
from history.heads import Head
from history.merkle import compute_path, compute_root
from history.receipt import Receipt
from history.receipt_text import encode_receipt
from refusals import Refusal
from servicekit.messages import read_timestamp
from tests.support.history import seal_all
from tests.support.services.contact_change import Change, register_at
from tests.support.services.contact_messages import registration_notice, staging_request
from tests.support.services.contact_notification import RunningContactNotification
from toroku.contact.v1 import contact_pb2

# What a service or a connection needs.
ABSENT = {"grpc", "psycopg", "sqlalchemy", "google", "toroku", "servicekit"}
PROGRAM = (
    "import sys; from operator_command.__main__ import main\n"
    "try: main()\n"
    "except SystemExit as end: print(end.code or 0, *{name.partition('.')[0] for name in sys.modules})"
)


def verify(contacts: RunningContactNotification, folder: Path, text: str, *options: str) -> tuple[str, list[str]]:
    """Has the command verify a pasted text in a folder with nothing else but the public key.

    Returns its exit status and what it says.
    """
    folder.mkdir(exist_ok=True)
    key = contacts.history_key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "history.pub").write_bytes(key)
    (folder / "mail.txt").write_text(text)
    named = ("--receipt", "mail.txt", "--public-key", "history.pub", "--language", "en")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "history", "verify", *named, *options],
        cwd=folder,
        capture_output=True,
        text=True,
        env={},
    )
    *said, last = done.stdout.splitlines() or [done.stderr]
    status, *imported = last.split()
    assert ABSENT & set(imported) == set()
    return status, [*said, done.stderr]


async def send_change(contacts: RunningContactNotification) -> str:
    """Changes a contact, and returns the text of the mail about it."""
    await register_at(contacts)
    await contacts.send_all()
    change = Change(contacts=contacts)
    await change.type_over(card={"telephone": "048-111-1111"})
    await change.commit()
    await seal_all(contacts.database, contacts.history_key, contacts.chain)
    await contacts.send_all()
    return contacts.mailbox.mails[-1].body


@pytest.mark.requirement("LIF-05")
async def test_pasted_mail_of_a_change_proves_its_act(contacts: RunningContactNotification, tmp_path: Path) -> None:
    mail = await send_change(contacts)
    digest = mail.partition("記録の指紋 : ")[2][:64]
    [(position,)] = await contacts.rows(
        "SELECT position FROM history_position JOIN history_entry USING (number) WHERE what = 'contacts changed'"
    )
    status, said = verify(contacts, tmp_path / "elsewhere", mail, "--entry", digest)
    assert status == "0", said
    assert said[:2] == [
        f"This entry is in the history, at position {position}.",
        f"  Digest of the entry: {digest}",
    ]
    quoted = "".join(f"> {line}\n" for line in mail.splitlines())
    assert verify(contacts, tmp_path / "elsewhere", quoted)[0] == "0"
    assert max(len(line) for line in mail.partition("記録の証明 : ")[2].splitlines()) <= 76


@pytest.mark.requirement("LIF-05")
async def test_altered_mail_proves_nothing(contacts: RunningContactNotification, tmp_path: Path) -> None:
    mail = await send_change(contacts)
    digest = mail.partition("記録の指紋 : ")[2][:64]
    forged = mail.replace(digest, "0" * 64)
    status, said = verify(contacts, tmp_path / "elsewhere", forged)
    assert status == "1"
    assert "is not the receipt of the entry with this digest" in "".join(said)
    before, _, proof = mail.partition("TorokuProof1")
    place = proof.index("\n") + 5
    other = "A" if proof[place] != "A" else "B"
    status, _ = verify(
        contacts, tmp_path / "elsewhere", f"{before}TorokuProof1{proof[:place]}{other}{proof[place + 1 :]}"
    )
    assert status == "1"
    status, said = verify(contacts, tmp_path / "elsewhere", before)
    assert status == "1"
    assert "cannot be read as the receipt of an entry" in "".join(said)


def prove(contacts: RunningContactNotification, registry: str, digest: bytes) -> contact_pb2.ActEntry:
    """Returns an entry with its proof, as its registry sends it."""
    leaves = [bytes(32), digest, bytes([1]) * 32]
    at = read_timestamp(contact_pb2.RegistrationFacts().registered_at)
    head = Head(Chain(contacts.profile.id, registry).id, 7, 20, 22, at, compute_root(leaves), bytes(32))
    signed = contacts.history_key.sign(head.statement)
    head = head._replace(key_id=signed.key_id, signature=signed.signature)
    proof = encode_receipt(Receipt(digest, 21, tuple(compute_path(leaves, 1)), head))
    return contact_pb2.ActEntry(
        registry=registry, digest=digest, position=21, head_number=7, head_sha256=head.hash, proof=proof
    )


@pytest.mark.requirement("LIF-05")
@pytest.mark.parametrize("registry", ["certificate-registry", "qualification-registry"])
async def test_pasted_mail_proves_an_act_of_the_other_registries(
    contacts: RunningContactNotification, tmp_path: Path, registry: str
) -> None:
    await contacts.stage(staging_request(1))
    facts = await contacts.register(staging_request(1))
    await contacts.send_all()
    notice = contact_pb2.Notice(
        notice_id="00000000-0000-0000-0000-00000000000a",
        kind=contact_pb2.NOTICE_KIND_BIDDER_SUSPENDED,
        recipients=[
            contact_pb2.NoticeRecipient(
                bidder=contact_pb2.BidderContacts(bidder_id=facts.bidder_id, category=facts.category)
            )
        ],
        bidder=contact_pb2.BidderFacts(
            agency=facts.agency,
            category=facts.category,
            bidder_id=facts.bidder_id,
            happened_at=facts.registered_at,
        ),
        entry=prove(contacts, registry, bytes(range(32))),
    )
    await contacts.notify(notice)
    await contacts.send_all()
    status, said = verify(
        contacts, tmp_path / "elsewhere", contacts.mailbox.mails[-1].body, "--entry", bytes(range(32)).hex()
    )
    assert (status, said[0]) == ("0", "This entry is in the history, at position 21.")


async def test_proof_that_is_none_is_refused(contacts: RunningContactNotification) -> None:
    facts = await contacts.register(staging_request(1))
    notice = registration_notice(facts)
    notice.notice_id = "00000000-0000-0000-0000-00000000000a"
    notice.entry.CopyFrom(prove(contacts, "certificate-registry", bytes(32)))
    notice.entry.proof = notice.entry.proof[:-1]
    with pytest.raises(Refusal) as caught:
        await contacts.notify(notice)
    assert (caught.value.reason, caught.value.metadata["part"]) == ("NOTICE_INVALID", "entry.proof")


async def test_mail_that_went_before_the_seal_has_no_proof(contacts: RunningContactNotification) -> None:
    await register_at(contacts)
    change = Change(contacts=contacts)
    await change.type_over(card={"telephone": "048-111-1111"})
    await change.commit()
    await contacts.execute("UPDATE mails SET waits_since = now() - interval '61 seconds'")
    await contacts.send_all()
    body = next(mail.body for mail in contacts.mailbox.mails if "変更された項目" in mail.body)
    assert "記録の指紋 : " in body
    assert "記録の証明" not in body
