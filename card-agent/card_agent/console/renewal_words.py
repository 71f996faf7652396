"""The card agent's texts of ICカード更新: the two cards, side by side, and what came of it."""

from card_agent.console.words import Words

BY_ITSELF = Words(
    "「工事」「物品」両方の資格をお持ちの場合は、それぞれ更新作業を行ってください。",
    "If you are qualified for works and for goods, renew the card in each of them.",
)
INSERT_OLD = Words(
    "現在使用しているICカードがICカードリーダーに正しく挿入されていることを確認して、Enterキーを押してください。",
    "Make sure that the card in use is inserted in the card reader correctly, then press Enter.",
)
INSERT_NEW = Words(
    "新しいICカードがICカードリーダーに正しく挿入されていることを確認して、Enterキーを押してください。",
    "Make sure that the new card is inserted in the card reader correctly, then press Enter.",
)
SWAP_CARDS = Words(
    "現在使用しているICカードを抜き、新しいICカードがICカードリーダーに正しく挿入されていることを確認してください。",
    "Take out the card in use, and make sure that the new card is inserted in the card reader correctly.",
)
WAITING_FOR_CARD = Words("ICカードの挿入を待っています。", "Waiting for the card to be inserted.")
STILL_THE_OLD_CARD = Words(
    "現在使用しているICカードが挿入されています。新しいICカードに差し替えてください。",
    "This is the card in use. Take it out, and insert the new card.",
)
IS_THE_NEW_CARD = Words(
    "新しいICカードが挿入されています。現在使用しているICカードに差し替えてください。",
    "This is the new card. Take it out, and insert the card in use.",
)
OLD_CARD = Words("現在使用しているICカード", "Card in use")
NEW_CARD = Words("新規に使用するICカード", "New card")
READERS = Words("ICカードリーダー", "Card readers")

CHOOSE_PINS = Words("2枚のICカードのPIN（暗証番号）", "PINs of the two cards")
PINS_DIFFER = Words("異なる、または分からない（それぞれ入力する）", "they differ, or you do not know: type both")
PINS_EQUAL = Words(
    "同じである（1回だけ入力する）",
    "they are equal: type it once",
)

COMPARISON = Words("電子証明書更新確認", "Check of the renewal")
COMPANY_NAME = Words("業者名", "Company name")
COMPANY_ADDRESS = Words("企業住所", "Company's address")
SERIAL_IS_NOT_THE_CARDS = Words(
    "証明書シリアル番号はICカードのシリアル番号ではありません。",
    "The serial number of the certificate is not the serial number of the card.",
)
NOTHING_TO_MIND = Words(
    "自動的に入ってくる情報なので気にされる必要はありません。",
    "It comes from the card; you need not mind it.",
)
CHECK_COMPANIES = Words(
    "新規に使用するICカードの企業名称とICカード企業名称が御社の企業名称であることを確認してください。",
    "Check that both company names of the new card are those of your company.",
)
CHOSEN_AGENCY = Words("選択されている調達機関名", "Chosen agency")
OTHER_AGENCIES = Words("登録されている他の調達機関", "Other agencies where the card in use is registered")
NONE = Words("なし", "none")
CONTACTS_CARRY_OVER = Words(
    "連絡先は、現在使用しているICカードのものを引き継ぎます。入力の必要はありません。",
    "The contacts of the card in use carry over. There is nothing to type.",
)
OLD_CARD_STOPS = Words(
    "※ICカードの更新を行うと、旧カードでは電子入札システムへログインできなくなります。",
    "Once the card is renewed, the old card can't log in to the e-bidding system any more.",
)
CHOOSE_PROPAGATION = Words(
    "他の調達機関にも変更を自動反映する。", "Propagate the change to the other agencies automatically"
)
PROPAGATE_ALL = Words(
    "自動反映する（登録されているすべての調達機関に更新を反映させる）", "yes: the renewal reaches all agencies"
)
PROPAGATE_NONE = Words(
    "自動反映しない（他の調達機関では、現在使用しているICカードを引き続き使用する）",
    "no: at the others the card in use stays registered",
)
PRESS_TO_RENEW = Words("この内容でよろしければ更新ボタンを押してください", "If all of this is right, choose to renew")
RENEW = Words("更新", "renew")
GO_BACK = Words("戻る（最初からやり直す）", "go back and start again")
STARTING_AGAIN = Words(
    "ICカードの更新を最初からやり直します。まだ何も変更されていません。",
    "The renewal starts again. Nothing has been changed yet.",
)

FOUND_UNFINISHED = Words(
    "前回のICカード更新の結果がまだ分かりません。結果を確認するには、新しいICカードが必要です。",
    "The result of the previous renewal is not known yet. The new card is needed to ask for it.",
)
LOOKING_FOR_RESULT = Words("前回のICカード更新の結果を確認しています。", "Checking the result of the previous renewal.")
NOT_RENEWED_BEFORE = Words(
    "前回のICカード更新は完了していませんでした。最初から操作できます。",
    "The previous renewal was not completed. You can renew the card from the start.",
)
STOPPED_WITHOUT_RENEWAL = Words("中止しました。ICカードの更新は行われていません。", "Stopped. No card was renewed.")
STOPPED_WITHOUT_ANSWER = Words(
    "中止しました。ICカードの更新が完了しているかどうかは、まだ分かりません。"
    "もう一度ICカード更新を始めると、完了していれば結果が表示されます。二重に更新されることはありません。",
    "Stopped. It is not known yet whether the card was renewed. Start the renewal again: if it was, the result is"
    " shown. It never renews twice.",
)
STOPPED_AFTER_RENEWAL = Words(
    "ICカードの更新は完了しています。結果は次のとおりです。", "The renewal is complete. This is its result."
)

RESULT = Words("電子証明書更新結果", "Result of the renewal")
RENEWED_AT = Words("更新日時", "Renewed at")
PROPAGATION = Words("他の調達機関への自動反映", "Propagation to the other agencies")
PROPAGATED = Words("自動反映する", "yes")
NOT_PROPAGATED = Words("自動反映しない", "no")
RENEWED = Words("これでICカードの更新は完了です。", "The renewal is complete.")
MAIL_FOLLOWS = Words(
    "「{section}」のメールアドレスに、ICカード更新のお知らせメールが届きます。",
    "A mail about the renewal goes to the mail address under: {section}.",
)
