"""The texts of mails that no manual prescribes, for profiles that have no words of their own."""

from collections.abc import Mapping

from contact_notification.domain.mail_records import CHANGED, RECORD
from instance_profile.model import MailTemplate

_HELP_DESK = """
{help_desk_name}（{help_desk_hours}）
電話 : {help_desk_telephone}
メール : {help_desk_mail_address}
{help_desk_url}

※このメールはシステムが自動送信しています。
このアドレスには返信しないでください。

***** {instance} *****
"""
_BIDDER = """調達機関 : {agency}
業務区分 : {category}
{bidder_id_label} : {bidder_id}
"""
_CARD = f"""{_BIDDER}ICカードの名義人 : {{holder_name}}
証明書シリアル番号 : {{card_serial}}
"""


_RENEWAL = f"""{_BIDDER}新しいICカードの名義人 : {{holder_name}}
新しいICカードの証明書シリアル番号 : {{card_serial}}
以前のICカードの証明書シリアル番号 : {{old_card_serial}}
"""


def _write(subject: str, body: str) -> MailTemplate:
    return MailTemplate(subject=subject, body=body.removeprefix("\n") + _HELP_DESK)


# By the names of the profile's mails.
NEUTRAL_MAILS: Mapping[str, MailTemplate] = {
    "officer_invitation": _write(
        "職員登録のご案内",
        """
{recipient_name} 様

{instance}を利用する職員として招待されましたので、お知らせ致します。

所属 : {agency}
職員ID : {person_id}
招待コード : {code}
使用期限 : {valid_until}

使用期限までに、ご自身の証明書を用意のうえ、コマンド「toroku officer accept {person_id}」を実行し、
招待コードを入力してください。管理者が証明書を確認すると、利用できるようになります。
招待コードを使用できるのは1回限りです。他の人に知らせないでください。

使用期限が過ぎた場合は、管理者に再度の招待をご依頼ください。
お心当たりがない場合は、至急、下記までご連絡ください。
""",
    ),
    "officer_certificate_expiring": _write(
        "証明書の有効期限のお知らせ（職員用）",
        """
{recipient_name} 様

{instance}に登録されている、ご自身の証明書の有効期限が近づいていますので、お知らせ致します。

所属 : {agency}
職員ID : {person_id}
有効期限 : {valid_until}

有効期限を過ぎると、この証明書では操作ができなくなります。
新しい証明書を用意し、有効期限までに、管理者に登録をご依頼ください。

ご不明な点は、下記までお問い合わせください。
""",
    ),
    "card_suspended": _write(
        "ICカードの利用停止のお知らせ",
        f"""
貴社の{{bidder_id_label}}で登録されている次のICカードの利用が停止されましたので、お知らせ致します。
停止が解除されるまで、下記の調達機関では、このICカードをご利用いただけません。

{_CARD}停止日時 : {{happened_at}}
{RECORD}
停止の理由や解除については、{{office}}にお問い合わせください。
ご不明な点は、下記までお問い合わせください。
""",
    ),
    "card_resumed": _write(
        "ICカードの利用停止の解除のお知らせ",
        f"""
次のICカードの利用停止が解除されましたので、お知らせ致します。
このICカードについて、下記の調達機関による停止は終了しました。

{_CARD}解除日時 : {{happened_at}}
{RECORD}
このICカードをご利用いただけない場合は、{{office}}にお問い合わせください。
ご不明な点は、下記までお問い合わせください。
""",
    ),
    "bidder_suspended": _write(
        "電子入札の利用停止のお知らせ",
        f"""
貴社の次の{{bidder_id_label}}の利用が停止されましたので、お知らせ致します。
停止が解除されるまで、下記の調達機関では、この{{bidder_id_label}}で登録されているすべてのICカードをご利用いただけません。

{_BIDDER}停止日時 : {{happened_at}}
{RECORD}
停止の理由や解除については、{{office}}にお問い合わせください。
ご不明な点は、下記までお問い合わせください。
""",
    ),
    "bidder_resumed": _write(
        "電子入札の利用停止の解除のお知らせ",
        f"""
貴社の次の{{bidder_id_label}}の利用停止が解除されましたので、お知らせ致します。
この{{bidder_id_label}}について、下記の調達機関による停止は終了しました。

{_BIDDER}解除日時 : {{happened_at}}
{RECORD}
ICカードをご利用いただけない場合は、{{office}}にお問い合わせください。
ご不明な点は、下記までお問い合わせください。
""",
    ),
    "binding_undone": _write(
        "利用者登録の取消しのお知らせ",
        f"""
貴社の{{bidder_id_label}}で行われた、次のICカードの利用者登録が取り消されましたので、お知らせ致します。
この業務区分では、どの調達機関でも、このICカードをご利用いただけません。

取消しを行った調達機関 : {{agency}}
業務区分 : {{category}}
{{bidder_id_label}} : {{bidder_id}}
ICカードの名義人 : {{holder_name}}
証明書シリアル番号 : {{card_serial}}
取消日時 : {{happened_at}}
{RECORD}
取消しの理由や、その後の手続きについては、{{office}}にお問い合わせください。
お心当たりがない場合は、至急、下記までご連絡ください。
""",
    ),
    "card_approved": _write(
        "ICカードの確認結果のお知らせ",
        f"""
ご依頼のあったICカードの確認が終わり、利用者登録又はICカード更新ができるようになりましたので、お知らせ致します。

確認番号 : {{approval_number}}
{_BIDDER}確認日時 : {{happened_at}}
{RECORD}
お手数ですが、「登録」又は「ICカード更新」を、ICカードの読み取りからやり直してください。
前回の入力内容は保存されていません。

ご不明な点は、下記までお問い合わせください。
""",
    ),
    "card_refused": _write(
        "ICカードの確認結果のお知らせ",
        f"""
ご依頼のあったICカードの確認が終わりましたので、お知らせ致します。
確認の結果、このICカードでは利用者登録もICカード更新もできません。

確認番号 : {{approval_number}}
{_BIDDER}確認日時 : {{happened_at}}
{RECORD}
理由や今後の手続きについては、{{office}}に、確認番号を添えてお問い合わせください。
ご不明な点は、下記までお問い合わせください。
""",
    ),
    "change": _write(
        "利用者変更のお知らせ",
        f"""
貴社の{{bidder_id_label}}で登録されている連絡先が、次のとおり変更されましたので、お知らせ致します。
このメールは、ICカードの連絡先と、メールアドレスが変更された場合は変更前と変更後のメールアドレス宛に送信されています。

{_CARD}{CHANGED}{RECORD}
変更後の内容は、「変更」の画面で確認できます。
お心当たりがない場合は、至急、下記までご連絡ください。
""",
    ),
    "renewal": _write(
        "ICカード更新のお知らせ",
        f"""
ICカードが次のとおり更新されましたので、お知らせ致します。下記の調達機関では、以前のICカードはご利用いただけません。

{_RENEWAL}更新日時 : {{happened_at}}
{RECORD}
他の調達機関で以前のICカードをご利用の場合、そこでの更新は「{{other_agencies}}」としてお申し込みいただいています。
お心当たりがない場合は、至急、下記までご連絡ください。
""",
    ),
    "renewal_notice": _write(
        "ICカード更新のお知らせ（ICカード更新の確認）",
        f"""
貴社の{{bidder_id_label}}で、次のICカードの更新が行われましたので、お知らせ致します。
このメールは、代表窓口情報及び登録済みの他のICカードの連絡先メールアドレス宛に送信されています。

{_RENEWAL}更新日時 : {{happened_at}}
{RECORD}
お心当たりがない場合は、至急、下記までご連絡ください。
""",
    ),
    "registration_reopened": _write(
        "ICカード更新の取消しのお知らせ",
        f"""
次のICカードの更新が職員により取り消されましたので、お知らせ致します。
更新前のICカードを、再びご利用いただけます。新しいICカードは、この更新の対象となった調達機関ではご利用いただけません。

{_RENEWAL}取消日時 : {{happened_at}}
{RECORD}
取消しの理由については、{{office}}にお問い合わせください。
お心当たりがない場合は、至急、下記までご連絡ください。
""",
    ),
    "predecessor_linked": _write(
        "以前のICカードとの関連付けのお知らせ",
        f"""
貴社の次のICカードが、有効期限の切れた以前のICカードの後継として記録されましたので、お知らせ致します。
以前のICカードで進めていた案件は、このICカードで続けることができます。お手続きは必要ありません。

{_CARD}記録日時 : {{happened_at}}
{RECORD}
ご不明な点は、{{office}}にお問い合わせください。
お心当たりがない場合は、至急、下記までご連絡ください。
""",
    ),
}
