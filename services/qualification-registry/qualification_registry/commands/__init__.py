"""The commands, one module each: reads the settings, builds everything, runs.

serve: answers calls.
worker: sends the states of bidders, seals the history, and ends what has expired.
"""
