"""The gRPC services of the front door: convert, call one operation, convert.

`entry`         Entry: what all operations share
`registration`  Registration: 登録
`change`        Change: 変更
`renewal`       Renewal: ICカード更新
`propagations`  Propagations: what became of a card's acts at the other agencies
`advice`        Advice: which operation is right for a card
`input_limits`  what the public listener accepts at all
"""
