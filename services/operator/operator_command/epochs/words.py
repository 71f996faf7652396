"""What `toroku epoch raise` says."""

from operator_command.speech import Phrase

ASK = Phrase(
    "すべてのデータベースのエポックを1つ上げます。各機関のシステムは、フィードをスナップショットから受信し直します。続けますか",
    "The epoch of all databases is raised by one. The agencies' systems then begin their feeds again from a snapshot. "
    "Go on?",
)
NOT_RAISED = Phrase("何も変更していません。", "Nothing was changed.")
RAISED = Phrase("{service}：エポックは{epoch}になりました。", "{service}: the epoch is {epoch} now.")
NO_EPOCH = Phrase("{service}：エポックはありません。", "{service}: keeps no epoch.")
