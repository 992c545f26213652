"""From an incident to a message on somebody's screen: who is told, in which words, and that it arrives.

Not here: which verdict it is (``detection``), and what is recorded of it (``store``).
"""
