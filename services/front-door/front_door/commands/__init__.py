"""The commands, one module each: reads the settings, builds everything, runs.

serve: answers calls.
"""
