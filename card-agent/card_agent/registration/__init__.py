"""The operation 登録: `register` (all steps), `contacts`, `receipt`, `unfinished` (registrations without an answer)."""
