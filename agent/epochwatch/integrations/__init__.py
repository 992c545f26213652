"""One line for a framework: ``from epochwatch.integrations.lightning import Epochwatch``.

Each module needs its framework and nothing else, and is loaded only by who imports it. No fault of ours reaches the
framework. None of them ends the run: more may follow, and the end of the program tells it.
"""
