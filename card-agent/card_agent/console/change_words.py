"""The card agent's texts of 変更: the contacts that are registered, what is typed over them, and the receipt."""

from card_agent.console.words import Words

# The two sentences that the manual has before a change.
EACH_BY_ITSELF = (
    Words(
        "同一のICカードで複数の業務区分に登録されている場合は、業務区分ごとに変更してください。",
        "A card that is registered in several categories is changed in each of them by itself.",
    ),
    Words(
        "複数枚のICカードが登録されている場合は、ICカードごとに変更してください。",
        "If several of your cards are registered, change each of them by itself.",
    ),
)
REGISTERED_HERE = Words("登録されている内容", "What is registered")
REGISTERED_SINCE = Words("登録日時", "Registered at")
OTHER_AGENCIES = Words("このICカードが登録されている他の調達機関", "Other agencies where this card is registered")
AGENCIES_WITH_EARLIER = Words("変更前の連絡先を使用している調達機関", "Agencies that still use earlier contacts")
NONE = Words("なし", "none")

CHOOSE_SECTIONS = Words("変更する内容（番号または名称）", "What to change (number or name)")
BOTH_SECTIONS = Words("両方", "both")
NOTHING = Words("変更せずに終了する", "nothing: leave without a change")
OF_THIS_CARD = Words("このICカードだけの連絡先です。", "This contact is of this card only.")
OF_ALL_CARDS = Words(
    "この業務区分で{bidder_id_label_ja}が同じすべてのICカードに共通の連絡先です。",
    "All cards with your {bidder_id_label_en} in this category share this contact.",
)

CHOOSE_PROPAGATION = Words("他の調達機関への反映", "Other agencies")
EVERYWHERE = Words("他の調達機関にも変更を自動反映する", "the change is propagated automatically to the other agencies")
HERE_ONLY = Words(
    "この調達機関だけを変更する（他の調達機関では、変更前の連絡先を引き続き使用します）",
    "only this agency is changed; the others go on with the contacts as they were",
)
PROPAGATED = Words("自動反映する", "the change is propagated to them")
NOT_PROPAGATED = Words("反映しない", "they go on with the contacts as they were")

DESTINATION = Words("変更先", "Change at")
CHANGED_FIELDS = Words("変更する項目", "What changes")
OLD_AND_NEW = Words("{old}　→　{new}", "{old} -> {new}")
CARD = Words("ICカード情報", "Card")
COUNTS_FROM_COMMIT = Words(
    "変更した内容は、変更が完了した時点から有効になります。", "The new contacts count from the moment of the change."
)
NOT_IN_APPLICATIONS = Words(
    "※既に競争参加資格申請書等の参加申請書で入力した連絡先には反映されません。",
    "Contacts given in applications for tenders that are already handed in do not change.",
)
PRESS_TO_CHANGE = Words(
    "この内容でよろしければ変更ボタンを押してください",
    "If all of this is right, choose to change",
)
CHANGE = Words("変更", "change")
CONFIRM_ACT = Words(
    "この内容にICカードで署名し、変更します。よろしいですか",
    "Your card will sign this, and the change is made. Do you agree?",
)
NOTHING_DIFFERS = Words(
    "入力した内容は、登録されている内容と同じです。", "What you typed is what is registered already."
)
LEFT = Words("変更せずに終了しました。", "Nothing was changed.")

CHANGED_FIRST = Words(
    "入力している間に、登録されている内容が変更されました。", "While you were typing, what is registered was changed."
)
CHANGED_MEANWHILE = Words("先に変更された内容：{section}", "Changed before you: {section}")
CHANGED_BY = Words("変更したICカード", "Changed by")
CHANGED_AT = Words("変更日時", "Changed at")
THIS_CARD = Words("このICカード", "this card")
ANOTHER_CARD = Words("御社の別のICカード", "another card of your company")
MEANWHILE_AND_TYPED = Words("{old}　→　{new}（入力中の内容：{typed}）", "{old} -> {new} (you typed: {typed})")
CONFIRM_AFTER_OTHERS = Words(
    "入力した内容は残っています。上の変更に続けて、入力した内容に変更しますか",
    "What you typed is kept. Do you want to go on, on top of the change above?",
)

LOOKING_FOR_RECEIPT = Words("前回の変更の結果を確認しています。", "Checking the result of the previous change.")
NOT_CHANGED_BEFORE = Words(
    "前回の変更は完了していませんでした。続けて変更できます。",
    "The previous change was not completed. You can make it now.",
)
SIGNING_ANEW = Words(
    "前回の送信が途中で止まったため、同じ内容にもう一度署名します。二重に変更されることはありません。",
    "What was sent stopped on its way, so the same change is signed again. It is never made twice.",
)
LOGGING_IN_AGAIN = Words(
    "入力した内容は残っています。ICカードの確認だけをやり直します。",
    "What you typed is kept. Only the check of the card is done again.",
)
STOPPED_WITHOUT_CHANGE = Words("中止しました。変更は行われていません。", "Stopped. Nothing was changed.")
STOPPED_WITHOUT_ANSWER = Words(
    "中止しました。変更が完了しているかどうかは、まだ分かりません。"
    "もう一度このICカードの変更を始めると、完了していれば控えが表示されます。二重に変更されることはありません。",
    "Stopped. It is not known yet whether the change was made. Start the change of this card again: if it was made, its"
    " receipt is shown. It is never made twice.",
)
STOPPED_AFTER_CHANGE = Words(
    "変更は完了しています。控えは次のとおりです。", "The change is complete. This is its receipt."
)

RECEIPT = Words("利用者変更の控え", "Receipt of the change")
COUNTS_FROM = Words("変更日時（この日時から有効）", "Changed at, and counts from")
CHANGED = Words("変更が完了しました。", "The change is complete.")
MAIL_FOLLOWS = Words(
    "「{section}」のメールアドレスに、変更のお知らせメールが届きます。"
    "メールアドレスを変更した場合は、変更前のメールアドレスにも届きます。",
    "A mail about the change goes to the mail address under: {section}. Where a mail address was changed, one goes to"
    " the old address too.",
)


def head_meanwhile(section: Words) -> Words:
    """Returns the heading over what was changed in a section by somebody else."""
    return Words(CHANGED_MEANWHILE.ja.format(section=section.ja), CHANGED_MEANWHILE.en.format(section=section.en))


def announce_mail(section: Words) -> Words:
    """Returns the sentence that says where the mails about a change go."""
    return Words(MAIL_FOLLOWS.ja.format(section=section.ja), MAIL_FOLLOWS.en.format(section=section.en))
