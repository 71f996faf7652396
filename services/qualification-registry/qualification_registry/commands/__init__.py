"""The commands, one module each: reads the settings, builds everything, runs.

serve: answers calls.
worker: sends bidders to certificate-registry, and deletes what has expired.
"""
