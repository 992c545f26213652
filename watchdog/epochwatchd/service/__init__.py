"""The daemon: one thread that ties the rooms together, one object for each worker (``watch``).

Not here: formulas and decisions (``detection``), words (``alerting``), how the world is asked (``inputs``).
"""
