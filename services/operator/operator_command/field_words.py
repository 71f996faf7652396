"""What people call the fields of the requests that officers send, by the last name in a field's path."""

import re

from operator_command.speech import Phrase

FIELD_WORDS = {
    "accept_suggestions": Phrase("候補の採用", "acceptance of suggestions"),
    "after": Phrase("一覧の続きの位置", "place in the list"),
    "after_bidder_id": Phrase("一覧の続きの位置", "place in the list"),
    "after_category": Phrase("一覧の続きの位置", "place in the list"),
    "agency": Phrase("調達機関", "agency"),
    "approve": Phrase("承認するか", "approval"),
    "before": Phrase("一覧の続きの位置", "place in the list"),
    "bidder_id": Phrase("業者の番号", "bidder ID"),
    "bidder_ids": Phrase("業者の番号", "bidder IDs"),
    "category": Phrase("業務区分", "category"),
    "certificate": Phrase("証明書", "certificate"),
    "certificate_sha256": Phrase("ICカードまたは証明書のSHA-256", "SHA-256 of the card or certificate"),
    "code": Phrase("招待のコード", "code of the invitation"),
    "confirmed": Phrase("確認した事項", "confirmed questions"),
    "content": Phrase("名簿ファイルの内容", "content of the roster file"),
    "decisions": Phrase("行ごとの判断", "decisions on rows"),
    "document": Phrase("申請書", "document"),
    "file_name": Phrase("名簿ファイルの名前", "name of the roster file"),
    "further_certificate": Phrase("証明書の追加", "further certificate"),
    "header": Phrase("名簿ファイルの見出し", "header of the roster file"),
    "import_id": Phrase("取込みの番号", "number of the import"),
    "invitation_id": Phrase("招待番号", "number of the invitation"),
    "kind": Phrase("事由", "kind"),
    "kinds": Phrase("変更の種別", "kinds of changes"),
    "letter": Phrase("書面での送付", "delivery by letter"),
    "mail_address": Phrase("メールアドレス", "mail address"),
    "mapping": Phrase("名簿の様式", "roster mapping"),
    "most": Phrase("一覧の件数", "number of lines"),
    "name": Phrase("商号又は名称", "company name"),
    "number": Phrase("確認依頼の番号", "number of the question"),
    "page": Phrase("一覧の続きの位置", "place in the list"),
    "person_id": Phrase("職員ID", "person ID"),
    "person_ids": Phrase("職員ID", "person IDs"),
    "predecessor": Phrase("前のICカードまたは業者", "card or bidder before"),
    "reason": Phrase("理由", "reason"),
    "registration_id": Phrase("利用者登録の番号", "number of the registration"),
    "reissue": Phrase("再発行", "reissue"),
    "replaced_by": Phrase("更新後のICカード", "card that took the place"),
    "request_id": Phrase("受付番号", "request ID"),
    "role": Phrase("権限", "role"),
    "roles": Phrase("権限", "roles"),
    "roster": Phrase("名簿", "roster"),
    "row": Phrase("行", "row"),
    "state": Phrase("状態", "state"),
    "term_from": Phrase("名簿の有効期間の開始日", "first day of the term"),
    "term_until": Phrase("名簿の有効期間の終了日", "last day of the term"),
    "version": Phrase("名簿の版", "version of the roster"),
    "withdrawn": Phrase("利用を終了した職員", "withdrawn officers"),
}


def find_field_words(path: str) -> Phrase:
    """Returns what people call a field, by its path in a request; the path itself where it has no words here."""
    last = re.sub(r"\[[0-9]+\]$", "", path).rpartition(".")[2]
    return FIELD_WORDS.get(last, Phrase(path, path))
