"""Which of 登録, 変更 and ICカード更新 is right for a card (REN-05).

`advise` asks the front door, `expired` answers for a card that has expired, `show_advice` shows what was said.
"""
