"""The gRPC services of the front door: convert, call one operation, convert.

`entry`         Entry: what all operations share
`registration`  Registration: 登録
`input_limits`  what the public listener accepts at all
"""
