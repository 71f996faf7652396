"""The operation 登録, from the greeting to the receipt.

`register` (all steps), `greeting`, `company` (企業情報), `contacts`, `receipt`, `unfinished` (registrations without an
answer).
"""
