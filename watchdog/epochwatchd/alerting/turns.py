"""What one channel has still to send, and which of it comes next. Pure: whoever asks says what time it is.

Users take turns: first those never served, in the order of their arrival, then the one served longest ago. In a user's
turn the critical come first, then the oldest. A message never overtakes an earlier one of its incident; those of other
incidents pass.

Only the first message of an incident can go; it lies in its user's heap once it is due, else in the heap of those put
off. An entry of a heap is not looked for when it no longer holds: it is left there, and passed over when it comes up.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import NamedTuple

USERS_REMEMBERED = 1024
"""Names come from datagrams: what is known of users that have no message must not grow with whatever is sent."""


class Waiting(NamedTuple):
    """A message that waits: the delivery's id, and from when on it may be tried.

    ``in_outage``: it was put off because the channel does not work, not because of what it is.
    """

    id: int
    incident: str
    user: str
    critical: bool
    due_at: float = 0.0
    in_outage: bool = False


@dataclass(slots=True)
class _User:
    """``turn``: who has the least is next. ``count``: how many messages wait, due or not. ``due``: a heap of them."""

    turn: tuple[bool, int]
    count: int = 0
    due: list[tuple[bool, int, float]] = field(default_factory=list)


class Turns:
    """The messages of one channel. Times are seconds of one clock, which never goes back."""

    def __init__(self) -> None:
        self.drop_all()

    def drop_all(self) -> None:
        """Forget everything."""
        self._now = 0.0
        self._events = 0
        self._waiting: dict[int, Waiting] = {}
        self._incidents: dict[str, deque[int]] = {}
        self._users: OrderedDict[str, _User] = OrderedDict()  # in the order in which they came or, later, were served
        self._next_users: list[tuple[tuple[bool, int], str]] = []
        self._later: list[tuple[float, int]] = []
        self._in_outage: set[int] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, waiting: Waiting) -> None:
        """Take a message in, after those of its incident that came before. One that waits already stays as it is."""
        if waiting.id in self._waiting:
            return
        self._waiting[waiting.id] = waiting
        if waiting.user not in self._users:
            self._users[waiting.user] = _User(self._turn(was_served=False))
        self._users[waiting.user].count += 1
        self._note_outage(waiting)
        incident = self._incidents.setdefault(waiting.incident, deque())
        incident.append(waiting.id)
        if len(incident) == 1:
            self._offer(waiting)

    def next(self, now: float) -> tuple[Waiting | None, float | None]:
        """The message whose turn it is, or None and when the next will be due, None for never.

        It is given again until ``done`` or ``put_off`` says what became of it: only then its user was served.
        """
        self._now = max(self._now, now)
        while self._later and (self._later[0][0] <= self._now or not self._holds(*self._later[0])):
            due_at, number = heappop(self._later)
            if self._holds(due_at, number):
                self._offer(self._waiting[number])
        while self._next_users:
            turn, name = self._next_users[0]
            user = self._users.get(name)
            if user is not None and user.turn == turn:
                return self._waiting[user.due[0][1]], None
            heappop(self._next_users)
        return None, self._later[0][0] if self._later else None

    def done(self, number: int) -> None:
        """The message was sent, or never will be. One that does not wait (any more) is nothing to do for."""
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            return
        self._in_outage.discard(number)
        self._users[waiting.user].count -= 1
        self._follow(waiting.incident)
        self._serve(waiting.user)

    def put_off(self, number: int, due_at: float, *, in_outage: bool) -> None:
        """The message was tried, and is to be tried again at this time."""
        if number not in self._waiting:
            return
        waiting = self._set(number, due_at, in_outage=in_outage)
        if self._incidents[waiting.incident][0] == number:
            self._offer(waiting)
        self._serve(waiting.user)

    def flush(self) -> None:
        """The channel works again: what was put off in the outage is due at once."""
        self.hasten(sorted(self._in_outage))

    def hasten(self, numbers: Iterable[int]) -> None:
        """These are due at once."""
        for number in numbers:
            waiting = self._set(number, min(self._waiting[number].due_at, self._now), in_outage=False)
            if self._incidents[waiting.incident][0] == number:
                self._offer(waiting)

    def of_incident(self, number: int) -> list[int]:
        """All messages that wait of the same incident, in their order."""
        return [other for other in self._incidents[self._waiting[number].incident] if other in self._waiting]

    def _set(self, number: int, due_at: float, *, in_outage: bool) -> Waiting:
        waiting = self._waiting[number] = self._waiting[number]._replace(due_at=due_at, in_outage=in_outage)
        self._note_outage(waiting)
        return waiting

    def _note_outage(self, waiting: Waiting) -> None:
        (self._in_outage.add if waiting.in_outage else self._in_outage.discard)(waiting.id)

    def _turn(self, *, was_served: bool) -> tuple[bool, int]:
        self._events += 1
        return was_served, self._events

    def _holds(self, due_at: float, number: int) -> bool:
        """Whether an entry of a heap is still what its message waits for."""
        waiting = self._waiting.get(number)
        return waiting is not None and waiting.due_at == due_at

    def _offer(self, waiting: Waiting) -> None:
        """Have the first message of its incident wait for its user's turn, or for the time when it is due."""
        if waiting.due_at > self._now:
            heappush(self._later, (waiting.due_at, waiting.id))
            return
        user = self._users[waiting.user]
        heappush(user.due, (not waiting.critical, waiting.id, waiting.due_at))
        if len(user.due) == 1:
            heappush(self._next_users, (user.turn, waiting.user))

    def _follow(self, incident: str) -> None:
        """One of the incident's messages is gone: if it was the first, offer the one that is now."""
        numbers = self._incidents[incident]
        if numbers[0] in self._waiting:
            return
        while numbers and numbers[0] not in self._waiting:
            numbers.popleft()
        if numbers:
            self._offer(self._waiting[numbers[0]])
        else:
            del self._incidents[incident]

    def _serve(self, name: str) -> None:
        """The user had a turn, and is the last now."""
        self._users.move_to_end(name)
        user = self._users[name]
        user.turn = self._turn(was_served=True)
        while user.due and not self._holds(user.due[0][2], user.due[0][1]):
            heappop(user.due)
        if user.due:
            heappush(self._next_users, (user.turn, name))
        self._forget_users()

    def _forget_users(self) -> None:
        """Of very many users, those without a message, from the first on: served longest ago, they are first anyway."""
        while len(self._users) > USERS_REMEMBERED and next(iter(self._users.values())).count == 0:
            self._users.popitem(last=False)
