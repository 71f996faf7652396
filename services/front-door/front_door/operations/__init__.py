"""What the front door does: one module per operation.

`entry`          the instance, and the end of a session
`card_sessions`  the card sessions of every operation
`registration`   登録
`change`         変更
`renewal`        ICカード更新
`propagations`   自動反映: what became of it at the other agencies
`advice`         which operation is right for a card
"""
