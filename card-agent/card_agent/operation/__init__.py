"""What the operations 登録, 変更 and ICカード更新 have in common.

`calls` (to the front door), `entry` and `greeting` (before the card), `at_agency` (where, with whom), `sessions` (the
log-in, the session, its end), `session_keeping`, `progress` and `unfinished` (requests without an answer), `sending`,
`agreement`, `card_approval` (questions to an officer), `company` and `contacts` (as shown and typed), `receipt_text`.
"""
