"""The card agent's texts of how far something has come at the other agencies."""

from card_agent.console.words import Words

REGISTRATION = Words("自動反映：登録", "Propagation of the registration")
CHANGE = Words("自動反映：変更", "Propagation of the change")
RENEWAL = Words("自動反映：ICカード更新", "Propagation of the card renewal")
DONE = Words("反映済み", "done")
PLANNED = Words("予定：{when}", "planned: {when}")
WAITING = Words("保留中。{why}", "waiting. {why}")
REFUSED = Words("反映されません。{why}", "not propagated. {why}")
NOTHING = Words(
    "このICカードの手続きについて、他の調達機関への自動反映はありません。",
    "Nothing that this card did at this agency is propagated to other agencies.",
)
ASK_LATER = Words(
    "自動反映の結果は、後で「card-agent propagations」で確認できます。",
    'What became of it: "card-agent propagations", later.',
)
BY_NIGHT = Words("自動反映：他の調達機関には、当日の夜間に反映されます。", "The other agencies follow tonight.")


def add_night(follows: Words) -> Words:
    """Returns words for "the other agencies follow", with when they do."""
    return Words(f"{follows.ja}（当日の夜間）", f"{follows.en}, in the night of the same day")
