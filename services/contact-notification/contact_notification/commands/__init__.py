"""The commands, one module each: reads the settings, builds everything, runs.

serve: answers calls.
worker: mails, and registrations that nobody settled.
erase-bidder: erases a bidder's persons.
list-failed-mails
send-failed-mails
"""
