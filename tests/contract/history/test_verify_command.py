"""`toroku history verify`: whether each registry's history is what was sealed, and what to note of it."""

import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from history.entries import Chain
from history.erasing import erase_details
from history.heads import Head
from history.receipt import write_head
from operator_command.history.registries import Registry
from tests.contract.history.conftest import Forge
from tests.contract.history.desk import Desk, make_officers_act
from tests.support import forger
from tests.support.history import CHAIN, get_newest_head, make_entry, make_key

CERTIFICATE, QUALIFICATION = Registry.CERTIFICATE, Registry.QUALIFICATION


async def write_batches(desk: Desk) -> None:
    """Writes two batches of three entries into certificate-registry, and one entry into qualification-registry."""
    for batch in range(2):
        await desk.write(CERTIFICATE, *map(make_entry, range(batch * 3, batch * 3 + 3)))
        await desk.seal()
    await desk.write(QUALIFICATION, make_officers_act(1))
    await desk.seal()


async def describe_newest(desk: Desk, registry: Registry) -> tuple[str, str]:
    """Returns the hash of a registry's newest head, and when it was sealed, in Japan."""
    head = await get_newest_head(desk.databases[registry])
    sealed_at = datetime.fromtimestamp(head.sealed_at.timestamp() + 9 * 3600, UTC)
    return head.hash.hex(), sealed_at.strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.requirement("LIF-05")
async def test_untouched_histories_are_called_good(desk: Desk) -> None:
    await write_batches(desk)
    # This one is not sealed yet, which is no fault.
    await desk.write(CERTIFICATE, make_entry(9))
    cards, sealed = await describe_newest(desk, CERTIFICATE)
    rosters, sealed_rosters = await describe_newest(desk, QUALIFICATION)
    verified = await desk.run("verify")
    note = "　この番号とハッシュ値を、このシステムの外に書き留めてください。後で履歴が作り直されたときに分かります。\n"
    assert verified.out == (
        "certificate-registry（ICカードと利用者登録）：問題は見つかりませんでした。\n"
        "　確認した記録：6件、封印：2回\n"
        f"　最新の封印：2番（日本時間{sealed}）\n　ハッシュ値：{cards}\n{note}"
        "qualification-registry（名簿とパスワード）：問題は見つかりませんでした。\n"
        "　確認した記録：1件、封印：1回\n"
        f"　最新の封印：1番（日本時間{sealed_rosters}）\n　ハッシュ値：{rosters}\n{note}"
        "contact-notification（連絡先とお知らせ）：問題は見つかりませんでした。\n"
        "　確認した記録：0件、封印：0回\n"
    )
    assert verified.status == 0
    assert "certificate-registry（ICカードと利用者登録）：0件を確認しました" in verified.err
    one = await desk.run("verify", "--registry", "certificate-registry", language="en")
    assert one.out == (
        "certificate-registry (cards and registrations): nothing was found.\n"
        "  Entries: 6, heads: 2\n"
        f"  Newest head: number 2 ({sealed} in Japan)\n  Hash: {cards}\n"
        "  Note this number and hash outside of this system: they show later whether the history was rewritten.\n"
    )
    part = await desk.run("verify", "--from", 5, "--registry", "certificate-registry", language="en")
    assert part.out.endswith("nothing was found.\n  Entries: 3, heads: 1\n")


@pytest.mark.requirement("LIF-05", "met")
async def test_forged_entry_is_named_with_what_to_do(desk: Desk, forge: Forge) -> None:
    await write_batches(desk)
    forge(lambda connection: forger.change_entry(connection, 5, bidder_id="2"))
    forge(lambda connection: forger.remove_details(connection, 2))
    found = await desk.run("verify")
    assert found.status == 1
    assert found.out.splitlines()[:3] == [
        "certificate-registry（ICカードと利用者登録）：2番の記録（記録番号2）の詳細が、消去の操作なしに失われているので、"
        "バックアップにある詳細を確かめてください。",
        "certificate-registry（ICカードと利用者登録）：5番の記録（記録番号5）が封印の後に書き換えられているので、"
        "バックアップにある同じ記録と比べ、元の内容を確かめてください。",
        "certificate-registry（ICカードと利用者登録）：2件の問題が見つかりました。",
    ]
    assert "qualification-registry（名簿とパスワード）：問題は見つかりませんでした。" in found.out
    in_english = await desk.run("verify", language="en")
    assert (
        "certificate-registry (cards and registrations): Entry 5 (number 5) was changed after it was sealed: "
        "compare it with a backup to see what it said.\n"
    ) in in_english.out
    # Outside of the range.
    assert (await desk.run("verify", "--until", 1, "--registry", "qualification-registry")).status == 0
    assert (await desk.run("verify", "--from", 4, "--until", 3)).status == 1


async def test_erased_details_are_counted_by_their_act(desk: Desk) -> None:
    written = await desk.write(CERTIFICATE, *map(make_entry, range(3)))
    async with desk.databases[CERTIFICATE].transaction() as connection:
        numbers = [entry.number for entry in written[:2]]
        await erase_details(connection, Chain(CHAIN.instance, CERTIFICATE), make_officers_act(20), numbers)
    await desk.seal()
    verified = await desk.run("verify")
    assert verified.status == 0
    assert "　2件の記録の詳細は、記録番号4の操作により消去されています（問題ではありません）。\n" in verified.out


@pytest.mark.requirement("LIF-05")
async def test_witness_shows_a_history_that_was_rolled_back_or_rewritten(desk: Desk, forge: Forge) -> None:
    file = desk.folder / "witness.json"
    await desk.write(CERTIFICATE, *map(make_entry, range(3)))
    await desk.seal()
    first, _ = await describe_newest(desk, CERTIFICATE)
    noted = await desk.run("verify", "--witness", file)
    assert f"　{file}に書き留めました（初めての控えです）。\n" in noted.out
    assert json.loads(file.read_text()) == {
        "format": "toroku history witnesses v1",
        "instance": "saitama",
        "heads": {"certificate-registry": {"number": 1, "hash": first}},
    }
    forge(forger.save)
    await desk.write(CERTIFICATE, make_entry(4))
    await desk.seal()
    newest, _ = await describe_newest(desk, CERTIFICATE)
    compared = await desk.run("verify", "--witness", file, language="en")
    assert f"  It contains head 1, which {file} had noted; the newest one is noted there now.\n" in compared.out
    kept = file.read_bytes()
    assert json.loads(kept)["heads"]["certificate-registry"] == {"number": 2, "hash": newest}

    forge(forger.roll_back)
    assert (await desk.run("verify")).status == 0
    rolled_back = await desk.run("verify", "--witness", file)
    assert rolled_back.status == 1
    assert (
        "控えてあった封印2番が履歴にないので、データベースが古い状態に戻されていないか確かめてください。"
        in rolled_back.out
    )
    assert f"　{file}の控えは書き換えていません。\n" in rolled_back.out
    assert file.read_bytes() == kept

    # Whoever has the key as well.
    await desk.write(CERTIFICATE, make_entry(5))
    await desk.seal()
    assert (await desk.run("verify")).status == 0
    rewritten = await desk.run("verify", "--witness", file, language="en")
    assert rewritten.status == 1
    assert "Head 2 is not the one that was noted, so the history was rewritten" in rewritten.out
    assert file.read_bytes() == kept


async def test_witness_that_is_none_is_refused(desk: Desk) -> None:
    file = desk.folder / "witness.json"
    good = {"format": "toroku history witnesses v1", "instance": "saitama", "heads": {}}
    head = {"number": 1, "hash": "00" * 32}
    for content in (
        "no JSON",
        json.dumps([]),
        json.dumps(good | {"instance": "niigata"}),
        json.dumps(good | {"heads": {"front-door": head}}),
        json.dumps(good | {"heads": {"certificate-registry": head | {"number": True}}}),
        json.dumps(good | {"heads": {"certificate-registry": head | {"hash": "00"}}}),
    ):
        file.write_text(content)
        refused = await desk.run("verify", "--witness", file)
        assert refused.status == 1
        assert "このシステムの履歴の控えではないか、読み取れません。" in refused.err
        assert file.read_text() == content
    missing = await desk.run("verify", "--witness", desk.folder / "no folder" / "witness.json", language="en")
    assert missing.status == 1
    assert "The newest heads cannot be noted in" in missing.err
    assert (await desk.run("verify", "--witness", file, "--from", 1)).status == 2


async def test_everything_comes_from_the_state_folder(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await write_batches(desk)
    state = desk.folder / "state"
    certificates = state / "certificates"
    officers = certificates / "officers" / "operator"
    for folder in (officers, certificates / "services"):
        folder.mkdir(parents=True)
    assert desk.files.trusted is not None
    for file, content in (
        (officers / "suzuki.crt", desk.files.certificate),
        (officers / "suzuki.key", desk.files.private_key),
        (certificates / "services" / "ca.crt", desk.files.trusted),
        (certificates / "history.pub", desk.public_key),
    ):
        file.write_bytes(content.read_bytes())
    addresses = {f"{registry} agency": address for registry, address in desk.registries.addresses.items()}
    (state / "addresses.json").write_text(json.dumps(addresses))
    verified = await desk.run("verify", "--state", state, language="en")
    assert (verified.status, verified.out.count("nothing was found")) == (0, 3)
    address = desk.registries.addresses["qualification-registry"]
    monkeypatch.setenv("TOROKU_HISTORY_ENDPOINTS", f"qualification-registry={address}")
    one = await desk.run("verify", "--state", state, language="en")
    assert (one.status, one.out.count("nothing was found")) == (0, 1)
    (officers / "tanaka.crt").write_bytes(desk.files.certificate.read_bytes())
    refused = await desk.run("verify", "--state", state)
    assert refused.status == 1
    assert "誰として操作するかが指定されていません（候補：operator/suzuki、operator/tanaka）。" in refused.err
    assert (await desk.run("verify", "--state", state, "--as-officer", "operator/suzuki")).status == 0


async def test_wrong_key_is_told_apart_from_a_forged_head(desk: Desk) -> None:
    await write_batches(desk)
    other = desk.folder / "other.pub"
    other.write_bytes(make_key().public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    wrong = await desk.run("verify", "--public-key", other, language="en")
    assert wrong.status == 1
    assert wrong.out.count("is signed by a key that is not among the public keys: verify again") == 3
    for content in (b"", b"no key", Ed25519PrivateKey.generate().private_bytes_raw()):
        other.write_bytes(content)
        refused = await desk.run("verify", "--public-key", other)
        assert refused.status == 1
        assert f"履歴の公開鍵のファイル「{other}」を読み取れません。" in refused.err


@pytest.mark.requirement("LIF-05")
async def test_signed_head_of_an_agency_is_a_witness_and_stays_as_it_is(desk: Desk) -> None:
    await write_batches(desk)
    file = desk.folder / "head.json"
    file.write_text(write_head(await get_newest_head(desk.databases[CERTIFICATE])))
    signed = file.read_bytes()
    await desk.write(CERTIFICATE, make_entry(9))
    await desk.seal()
    compared = await desk.run("verify", "--witness", file, language="en")
    assert (compared.status, file.read_bytes()) == (0, signed)
    assert f"  It contains head 2 of {file}.\n" in compared.out
    assert compared.out.count("It contains head") == 1


async def test_signed_head_shows_a_history_that_was_rolled_back(desk: Desk, forge: Forge) -> None:
    await write_batches(desk)
    forge(forger.save)
    await desk.write(CERTIFICATE, make_entry(9))
    await desk.seal()
    file = desk.folder / "head.json"
    file.write_text(write_head(await get_newest_head(desk.databases[CERTIFICATE])))
    forge(forger.roll_back)
    assert (await desk.run("verify")).status == 0
    found = await desk.run("verify", "--witness", file, language="en")
    assert found.status == 1
    assert "It contains head" not in found.out


async def test_head_that_nobody_signed_is_no_witness(desk: Desk) -> None:
    await write_batches(desk)
    head = await get_newest_head(desk.databases[CERTIFICATE])
    file = desk.folder / "head.json"
    for wrong in (
        head._replace(number=head.number + 1),
        head._replace(key_id="0" * 16),
        sign_head(head._replace(chain=Chain("aomori", CERTIFICATE).id), desk),
    ):
        file.write_text(write_head(wrong))
        refused = await desk.run("verify", "--witness", file, language="en")
        assert refused.status == 1
        assert "cannot be read, or has not noted heads of this instance" in refused.err


def sign_head(head: Head, desk: Desk) -> Head:
    signed = desk.key.sign(head.statement)
    return head._replace(key_id=signed.key_id, signature=signed.signature)
