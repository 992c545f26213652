import pytest

from epochwatchd.alerting.delivery import Waiting, next_due, retry_after
from epochwatchd.model import Delivery


def test_the_wait_doubles_up_to_five_minutes():
    assert [retry_after(n) for n in range(1, 10)] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert retry_after(10_000) == 300


QUEUES = [
    ("nothing waits", [], 100, None, None),
    ("the first that is due", [(1, "x", 0), (2, "y", 0)], 100, 1, None),
    ("one put off lets other incidents pass", [(1, "x", 200), (2, "y", 0)], 100, 2, None),
    ("one put off holds its own incident", [(1, "x", 200), (2, "x", 0)], 100, None, 200),
    ("the earliest of those put off is next", [(1, "x", 300), (2, "y", 200)], 100, None, 200),
    ("what is held by another does not count as next", [(1, "x", 300), (2, "x", 200)], 100, None, 300),
    ("due is due at the very time", [(1, "x", 100)], 100, 1, None),
]


@pytest.mark.parametrize(("queue", "now", "chosen", "at"), [q[1:] for q in QUEUES], ids=[q[0] for q in QUEUES])
def test_what_is_tried_next(queue, now, chosen, at):
    waiting = [
        Waiting(Delivery(number, "team", incident, "mina", critical=True), due) for number, incident, due in queue
    ]
    found, when = next_due(waiting, now)
    assert (found and found.delivery.id, when) == (chosen, at)
