"""The record that a mail of an act ends with: by it, the recipient can have the act shown later, and proven.

A profile's text comes first, unchanged. What it shows of the record itself is not added again.
"""

from collections.abc import Mapping
from typing import Protocol

from contact_notification.domain.notice import ActEntry, NoticeKind

_SEPARATOR = "----------------------------------------"
RECORD = """記録番号 : {entry_position}
記録の指紋 : {entry_digest}
封印 : {entry_head}
"""
# What the lines of the proof begin with; they are copied with the mail.
PROOF = """記録の証明 : {entry_proof}
"""
_SHOWN = ("{entry_position}", "{entry_digest}", "{entry_head}")
_QUESTIONS = """
お心当たりがない場合は、至急、下記までご連絡ください。
{help_desk_name}（{help_desk_hours}）
電話 : {help_desk_telephone}
メール : {help_desk_mail_address}
{help_desk_url}
"""
CHANGED = """変更日時 : {happened_at}
変更された項目 : {changed_fields}
他の調達機関への反映 : {other_agencies}
"""

# What the record of a kind says before the entry, by the placeholder that a text with the same words has; and after it.
_BEFORE: Mapping[NoticeKind, tuple[str, str]] = {NoticeKind.CHANGE: ("{changed_fields}", CHANGED)}
_AFTER: Mapping[NoticeKind, tuple[str, str]] = {NoticeKind.CHANGE: ("{help_desk_telephone}", _QUESTIONS)}


class MailOfAct(Protocol):
    """A mail, as far as its record needs it."""

    @property
    def kind(self) -> NoticeKind: ...  # noqa: D102  # see the class
    @property
    def entry(self) -> ActEntry | None: ...  # noqa: D102


def append_record(mail: MailOfAct, body: str) -> str:
    """Returns the template of a mail's text with what it does not show of its act: the entry, and what changed."""
    if mail.entry is None:
        return body
    parts = [RECORD] if any(shown not in body for shown in _SHOWN) else []
    if mail.entry.proof is not None and "{entry_proof}" not in body:
        parts.append(PROOF)
    before, after = _BEFORE.get(mail.kind), _AFTER.get(mail.kind)
    if before is not None and before[0] not in body:
        parts.insert(0, before[1])
    if after is not None and after[0] not in body:
        parts.append(after[1])
    if not parts:
        return body
    return "\n".join([body.rstrip("\n"), "", _SEPARATOR, "".join(parts)])
