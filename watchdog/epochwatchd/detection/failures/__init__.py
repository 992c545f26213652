"""What made a training fail, as a class and the line that proves it. Pure.

``classify`` decides, on what ``output`` finds in the last lines of a log, by the table in ``gpu``, ``machine`` and
``program``, one row a class.
"""

from epochwatchd.detection.failures.classify import Failure, classify
from epochwatchd.detection.failures.patterns import CODES, ECHOES

__all__ = ["CODES", "ECHOES", "Failure", "classify"]
