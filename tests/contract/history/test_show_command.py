"""`toroku history show`: who did what when, in words, of all registries."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from history.entries import Chain
from history.erasing import erase_details
from operator_command.history.registries import Registry
from tests.contract.history.desk import BIDDER, REQUEST_ID, Desk, make_card, make_officers_act, make_registration
from tests.support.history import CHAIN, make_entry

JAPANESE = f"""\
日時は日本時間です。新しいものから順に表示します。

2026-11-30 12:00:09　その他の操作（passwords shown）
　操作者：埼玉県の職員 yamada（saitama-prefecture/yamada）
　調達機関：埼玉県、川越市
　業務区分：建設工事、設計・調査・測量、土木施設維持管理
　業者の番号：{BIDDER}
　履歴：qualification-registry（名簿とパスワード）、まだ封印されていません（記録番号2）

2026-11-30 12:00:07　利用者登録
　操作者：ICカード %(card)s
　調達機関：埼玉県
　業務区分：建設工事、設計・調査・測量、土木施設維持管理
　業者の番号：{BIDDER}
　ICカード（証明書のSHA-256）：%(card)s
　受付番号：{REQUEST_ID}
　照会番号：00000000000000000000000000000007
　履歴：certificate-registry（ICカードと利用者登録）、1番（記録番号1）

2026-11-30 12:00:05　その他の操作（passwords shown）
　操作者：埼玉県の職員 yamada（saitama-prefecture/yamada）
　調達機関：埼玉県、川越市
　業務区分：建設工事、設計・調査・測量、土木施設維持管理
　業者の番号：{BIDDER}
　履歴：qualification-registry（名簿とパスワード）、1番（記録番号1）
"""
CATEGORY = "Construction works, design, survey, maintenance of public works"
ENGLISH = f"""\
Times are those of Japan, the newest entry comes first.

2026-11-30 12:00:07  registered
  who: card %(card)s
  agencies: Saitama Prefecture
  category: %(category)s
  bidder ID: {BIDDER}
  card (SHA-256 of the certificate): %(card)s
  request ID: {REQUEST_ID}
  reference: 00000000000000000000000000000007
  history: certificate-registry (cards and registrations), position 1 (number 1)
  changed: bidder that the card is bound to: none → {BIDDER}
  changed: registration (Saitama Prefecture): none → registration-1
  signed operation: registration, Saitama Prefecture, %(category)s, {BIDDER}
  shown to who signed: 埼玉県の電子入札に、下記のICカードを登録します。
  shown to who signed: 商号又は名称：髙橋建設株式会社
  signature: verified (ECDSA_SHA256)
"""


@pytest.mark.requirement("LIF-05")
async def test_entries_of_all_registries_are_merged_by_time(desk: Desk) -> None:
    registration = make_registration(*make_card())
    await desk.write(Registry.CERTIFICATE, registration)
    await desk.write(Registry.QUALIFICATION, make_officers_act(5))
    await desk.seal()
    await desk.write(Registry.QUALIFICATION, make_officers_act(9))
    shown = await desk.run("show", "--bidder", BIDDER, has_profile=True)
    card = (registration.certificate_sha256 or b"").hex()
    assert (shown.status, shown.out, shown.err) == (0, JAPANESE % {"card": card}, "")
    one = await desk.run("show", "--bidder", BIDDER, "--registry", "certificate-registry")
    assert "利用者登録" in one.out
    assert "qualification-registry" not in one.out
    newest = await desk.run("show", "--bidder", BIDDER, "--most", 1)
    assert newest.out.count("操作者") == 1
    assert "これより前の記録もあります。--most 2のように、件数を増やすと表示されます。" in newest.out
    nothing = await desk.run("show", "--bidder", "1", language="en")
    assert (nothing.status, nothing.out) == (0, "There are no entries.\n")


@pytest.mark.requirement("LIF-05")
async def test_details_show_what_changed_and_what_was_signed(desk: Desk, tmp_path: Path) -> None:
    key, certificate = make_card()
    registration = make_registration(key, certificate)
    await desk.write(Registry.CERTIFICATE, registration, make_entry(8))
    await desk.seal()
    card = (registration.certificate_sha256 or b"").hex()
    (tmp_path / "card.der").write_bytes(certificate)
    (tmp_path / "card.pem").write_bytes(x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM))
    for named in (card, card.upper(), tmp_path / "card.der", tmp_path / "card.pem"):
        has_profile = named == card
        shown = await desk.run("show", "--card", named, "--details", language="en", has_profile=has_profile)
        if has_profile:
            assert shown.out == ENGLISH % {"card": card, "category": CATEGORY}
        assert "  signature: verified (ECDSA_SHA256)\n" in shown.out
        assert shown.out.count("who: ") == 1


async def test_entries_are_found_by_officer_and_request(desk: Desk) -> None:
    registration = make_registration(*make_card())
    await desk.write(Registry.CERTIFICATE, registration)
    await desk.write(Registry.CONTACT, make_officers_act(3), make_officers_act(4, who="officer operator/suzuki"))
    by_officer = await desk.run("show", "--officer", "saitama-prefecture/yamada", language="en", has_profile=True)
    assert by_officer.out.count("who: officer yamada of Saitama Prefecture (saitama-prefecture/yamada)") == 1
    assert "card" not in by_officer.out
    by_operator = await desk.run("show", "--officer", "operator/suzuki")
    assert "操作者：運用担当者 suzuki（operator/suzuki）" in by_operator.out
    by_request = await desk.run("show", "--request", REQUEST_ID.upper(), language="en")
    assert by_request.out.count("who: ") == by_request.out.count("who: card ") == 1


async def test_signature_that_is_not_the_cards_is_called_wrong(desk: Desk) -> None:
    key, certificate = make_card()
    registration = make_registration(key, certificate)
    assert registration.act is not None
    other = make_registration(*make_card()).act
    assert other is not None
    acts = (
        replace(registration.act, signature=b"no signature"),
        replace(registration.act, certificate=other.certificate),
        replace(registration.act, algorithm="RSA_PSS_SHA256"),
        replace(registration.act, algorithm="unknown"),
        # Another card's own act, in the place of this one's.
        replace(other, certificate=certificate),
    )
    await desk.write(Registry.CERTIFICATE, *(replace(registration, act=act) for act in acts))
    await desk.write(Registry.CERTIFICATE, replace(registration, act=replace(registration.act, purpose=b"{}")))
    shown = await desk.run("show", "--bidder", BIDDER, "--details")
    assert shown.out.count("署名：正しくありません") == len(acts)
    assert "署名された手続き：読み取れません (PURPOSE_MALFORMED)" in shown.out


async def test_erased_details_name_their_act(desk: Desk) -> None:
    [written] = await desk.write(Registry.CERTIFICATE, make_registration(*make_card()))
    async with desk.databases[Registry.CERTIFICATE].transaction() as connection:
        act = make_officers_act(20, bidder_id=None, who="officer operator/suzuki")
        await erase_details(connection, Chain(CHAIN.instance, Registry.CERTIFICATE), act, [written.number])
    shown = await desk.run("show", "--bidder", BIDDER, "--details")
    assert "　詳細：記録番号2の操作により消去\n" in shown.out
    assert "変更" not in shown.out
    act_itself = await desk.run("show", "--officer", "operator/suzuki", "--details", language="en")
    assert "details of entries erased" in act_itself.out


async def test_what_others_wrote_draws_nothing_on_the_terminal(desk: Desk) -> None:
    await desk.write(Registry.CERTIFICATE, make_officers_act(1, what="\x1b[2Jevil", after={"note": "a\u202eb\nc"}))
    shown = await desk.run("show", "--bidder", BIDDER, "--details")
    assert "�[2Jevil" in shown.out
    assert "note：なし → a�b�c" in shown.out


async def test_subject_that_is_none_is_explained(desk: Desk) -> None:
    for arguments, language, said in (
        (["--card", "abc"], "ja", "「abc」は、証明書のSHA-256でも、証明書のファイルでもありません。"),
        (["--card", Path(__file__)], "en", "is neither the SHA-256 of a certificate nor a file with a certificate."),
        (["--request", "17"], "en", "It is not clear whose history is asked for."),
        (["--bidder", ""], "ja", "履歴を探す対象の指定が正しくありません。"),
        (["--bidder", "1", "--endpoint", "certificate-registry"], "en", "Write REGISTRY=HOST:PORT"),
    ):
        refused = await desk.run("show", *arguments, language=language)
        assert refused.status == 1
        assert said in refused.err
        assert refused.out == ""
    # Exactly one subject is asked for.
    for arguments in ([], ["--bidder", "1", "--request", REQUEST_ID]):
        refused = await desk.run("show", *arguments)
        assert refused.status == 2
        assert "--bidder" in refused.err


async def test_officer_without_the_role_is_refused(desk: Desk) -> None:
    files = desk.registries.authority.enrol("operator/tanaka", "roster")
    refused = await desk.run("show", "--bidder", BIDDER, files=files)
    assert refused.status == 1
    assert "接続元「officer operator/tanaka」には、この操作（" in refused.err
