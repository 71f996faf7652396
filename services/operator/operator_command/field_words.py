"""What people call the fields of the requests that officers send, by the last name in a field's path."""

import re

from operator_command.speech import Phrase

FIELD_WORDS = {
    "accept_suggestions": Phrase("候補の採用", "acceptance of suggestions"),
    "after": Phrase("一覧の続きの位置", "place in the list"),
    "agency": Phrase("調達機関", "agency"),
    "before": Phrase("一覧の続きの位置", "place in the list"),
    "bidder_id": Phrase("業者の番号", "bidder ID"),
    "bidder_ids": Phrase("業者の番号", "bidder IDs"),
    "category": Phrase("業務区分", "category"),
    "confirmed": Phrase("確認した事項", "confirmed questions"),
    "content": Phrase("名簿ファイルの内容", "content of the roster file"),
    "decisions": Phrase("行ごとの判断", "decisions on rows"),
    "file_name": Phrase("名簿ファイルの名前", "name of the roster file"),
    "header": Phrase("名簿ファイルの見出し", "header of the roster file"),
    "import_id": Phrase("取込みの番号", "number of the import"),
    "kinds": Phrase("変更の種別", "kinds of changes"),
    "mapping": Phrase("名簿の様式", "roster mapping"),
    "most": Phrase("一覧の件数", "number of lines"),
    "name": Phrase("商号又は名称", "company name"),
    "page": Phrase("一覧の続きの位置", "place in the list"),
    "registration_id": Phrase("利用者登録の番号", "number of the registration"),
    "reissue": Phrase("再発行", "reissue"),
    "roster": Phrase("名簿", "roster"),
    "row": Phrase("行", "row"),
    "term_from": Phrase("名簿の有効期間の開始日", "first day of the term"),
    "term_until": Phrase("名簿の有効期間の終了日", "last day of the term"),
    "version": Phrase("名簿の版", "version of the roster"),
}


def find_field_words(path: str) -> Phrase:
    """Returns what people call a field, by its path in a request; the path itself where it has no words here."""
    last = re.sub(r"\[[0-9]+\]$", "", path).rpartition(".")[2]
    return FIELD_WORDS.get(last, Phrase(path, path))
