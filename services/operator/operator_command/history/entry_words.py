"""What people call what happened, who did it, and the parts of an entry."""

from collections.abc import Mapping

from history.entries import ERASED
from instance_profile.base import OPERATOR
from operator_command.speech import Phrase, Speech

# A label, and what stands behind it.
Line = tuple[Phrase, str]

LABELS: Mapping[str, Phrase] = {
    "who": Phrase("操作者", "who"),
    "agencies": Phrase("調達機関", "agencies"),
    "category": Phrase("業務区分", "category"),
    "bidder_id": Phrase("業者の番号", "bidder ID"),
    "certificate_sha256": Phrase("ICカード（証明書のSHA-256）", "card (SHA-256 of the certificate)"),
    "request_id": Phrase("受付番号", "request ID"),
    "trace_id": Phrase("照会番号", "reference"),
    "place": Phrase("履歴", "history"),
    "details": Phrase("詳細", "details"),
}

# What each registry writes into its history.
ACTS: Mapping[str, Phrase] = {
    "registered": Phrase("利用者登録", "registered"),
    "propagated": Phrase("自動反映による利用者登録", "registered by propagation"),
    "renewed": Phrase("ICカード更新（更新後のICカードの登録）", "renewed: registered in the place of the old card"),
    "replaced": Phrase("ICカード更新（更新前のICカードの終了）", "renewed: the new card took its place"),
    "revoked": Phrase("ICカードの失効", "card revoked"),
    "revocation lifted": Phrase("ICカードの失効の解除", "revocation of the card lifted"),
    "no longer trusted": Phrase("ICカードの信頼の停止", "card no longer trusted"),
    "trusted again": Phrase("ICカードの信頼の回復", "card trusted again"),
    "card suspended": Phrase("ICカードの利用停止", "card suspended"),
    "card suspension confirmed": Phrase("ICカードの利用停止の確認", "suspension of the card confirmed"),
    "card suspension lapsed": Phrase(
        "ICカードの利用停止の失効（確認なし）", "suspension of the card lapsed: nobody confirmed it"
    ),
    "card resumed": Phrase("ICカードの利用の再開", "card resumed"),
    "binding undone": Phrase("ICカードの登録の取消し", "binding of the card undone"),
    "registration reopened": Phrase(
        "ICカード更新の取消し（更新前のICカードの再開）", "renewal undone: the old card is good again"
    ),
    "renewal reversed": Phrase(
        "ICカード更新の取消し（更新後のICカードの終了）", "renewal undone: what it made for the new card ended"
    ),
    "predecessor linked": Phrase("前のICカードとの関連付け", "linked to the card before"),
    "roster imported": Phrase("名簿の取込み", "roster imported"),
    "roster preview cancelled": Phrase("名簿の取込みの取りやめ", "roster preview cancelled"),
    "passwords ordered": Phrase("パスワードの発行の指示", "passwords ordered"),
    "password issued": Phrase("パスワードの発行", "password issued"),
    "password reissued": Phrase("パスワードの再発行", "password reissued"),
    "bidder suspended": Phrase("業者の利用停止", "bidder suspended"),
    "card approval asked": Phrase("ICカードの確認の依頼", "an officer was asked about the card"),
    "card approved": Phrase("ICカードの承認", "card approved"),
    "card approval refused": Phrase("ICカードの不承認", "card not approved"),
    "bidder suspension confirmed": Phrase("業者の利用停止の確認", "suspension of the bidder confirmed"),
    "bidder suspension lapsed": Phrase(
        "業者の利用停止の失効（確認なし）", "suspension of the bidder lapsed: nobody confirmed it"
    ),
    "bidder resumed": Phrase("業者の利用の再開", "bidder resumed"),
    "bidder linked": Phrase("業者の関連付け（旧番号・新しい番号）", "bidder linked to its predecessor or successor"),
    "company review ended": Phrase("企業情報の審査の終了（審査済）", "review of company data ended"),
    "contacts registered": Phrase("連絡先の登録", "contacts registered"),
    "contacts gave way": Phrase(
        "連絡先の不採用（ほかの登録を優先）", "contacts gave way to those of another registration"
    ),
    "contacts not signed": Phrase("連絡先の不採用（署名された内容と相違）", "contacts refused: others were signed"),
    "contacts abandoned": Phrase("登録されなかった連絡先の削除", "contacts deleted: nothing was registered"),
    "contacts changed": Phrase("連絡先の変更", "contacts changed"),
    "contacts propagated": Phrase("連絡先の変更の自動反映", "change of contacts propagated"),
    "contacts taken over": Phrase("ICカード更新に伴う連絡先の引継ぎ", "contacts taken over at a renewal"),
    "proposed": Phrase("提案", "proposed"),
    "proposal approved": Phrase("提案の承認", "proposal approved"),
    "proposal rejected": Phrase("提案の却下または取下げ", "proposal rejected or taken back"),
    "proposal void": Phrase("提案の失効", "proposal void"),
    "officer invited": Phrase("職員の招待", "officer invited"),
    "invitation cancelled": Phrase("招待の取消し", "invitation cancelled"),
    "invitation accepted": Phrase("招待の受諾", "invitation accepted"),
    "officer confirmed": Phrase("職員の証明書の確認", "certificate of an officer confirmed"),
    "role granted": Phrase("権限の付与", "role granted"),
    "role withdrawn": Phrase("権限の取消し", "role withdrawn"),
    "officers withdrawn": Phrase("職員の登録の取消し", "officers withdrawn"),
    "officer sessions ended": Phrase("全職員のログインの終了", "portal sessions of all officers ended"),
    ERASED: Phrase("記録の詳細の消去", "details of entries erased"),
}


def describe_act(what: str) -> Phrase:
    """Returns what people call an act; one that is not known here keeps its own name."""
    return ACTS.get(what, Phrase(f"その他の操作（{what}）", f"another act ({what})"))


def describe_person(who: str, speech: Speech) -> str:
    """Returns who acted: a card, an officer with the name of its agency, or a service."""
    kind, _, name = who.partition(" ")
    match kind:
        case "card" if name:
            return speech.say(Phrase(f"ICカード {name}", f"card {name}"))
        case "officer" if name:
            return speech.name_officer(name)
        case "person" if name:
            return speech.say(Phrase(f"招待された人（{name}）", f"invited person ({name})"))
        case "agency" if name:
            agency = speech.name_agency(name)
            return speech.say(Phrase(f"{agency}のシステム（{name}）", f"system of {agency} ({name})"))
        case "service" if name:
            return speech.say(Phrase(f"サービス {name}", f"service {name}"))
        case _ if who == OPERATOR:
            return speech.say(Phrase("運用担当者（サービスのコマンドによる）", "the operator, by a service's command"))
        case _:
            return speech.say(Phrase(f"サービス {who}", f"service {who}"))
