"""What it means: pure decisions, with the time as an argument.

Not here: files, sockets, processes, clocks (import-linter sees to it), words for people (``alerting``).
"""
