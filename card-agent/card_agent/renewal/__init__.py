"""The operation ICカード更新, from the greeting to the result.

`renew` (all steps), `in_progress`, `log_in`, `cards` (which card is where, and whose PIN is asked for), `succession`
(the successor key, and the old card's act), `comparison` (both cards side by side), `commit` (the new card's act),
`resume` (a renewal without an answer), `result`.
"""
