"""What a channel gets, and what sends it."""

from epochwatchd.alerting.channels import KINDS
from epochwatchd.model import Message


class DictMemory:
    """What a channel remembers, in a dictionary; ``saved`` counts."""

    def __init__(self, known=None):
        self.known, self.saved = dict(known or {}), 0

    def load(self):
        return dict(self.known)

    def save(self, known):
        self.known, self.saved = dict(known), self.saved + 1


def told(notification, before=None, memory=None, done=()):
    """A notification as a channel gets it."""
    return Message(notification, memory or DictMemory(), before, done)


def sending(given):
    """What sends over a channel of these options, and those."""
    given = dict(given)
    module = KINDS[given.pop("kind")]
    options = module.Options(**given)
    return lambda message: module.send(options, message), options
