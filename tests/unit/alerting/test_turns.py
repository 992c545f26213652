import pytest
from hypothesis import given
from hypothesis import strategies as st

from epochwatchd.alerting.turns import Turns, Waiting


def message(words):
    """``7mina/x!@9`` is message 7 of mina's incident x, critical, due at 9; the last three may be left out."""
    words, _, due_at = words.partition("@")
    critical = words.endswith("!")
    name, _, incident = words.rstrip("!").partition("/")
    number, user = int(name.rstrip("abcdefghijklmnopqrstuvwxyz")), name.lstrip("0123456789")
    return Waiting(number, incident or f"of {number}", user, critical, float(due_at or 0))


def played(story):
    """What is given in a story: ``+`` adds, ``?`` gives and is done, ``-N`` gives and puts off until N, ``~N`` the same
    in an outage, ``=N`` is the time, ``*`` a flush, ``xN`` is done without being given, ``0`` drops all."""
    turns, now, told = Turns(), 0.0, []
    for step in story.split():
        sign, rest = step[0], step[1:]
        if sign == "+":
            turns.add(message(rest))
        elif sign == "=":
            now = float(rest)
        elif sign == "*":
            turns.flush()
        elif sign == "x":
            turns.done(int(rest))
        elif sign == "0":
            turns.drop_all()
        else:
            waiting, at = turns.next(now)
            told.append(str(waiting.id) if waiting else f"at {at:g}" if at is not None else "never")
            if waiting and sign == "?":
                turns.done(waiting.id)
            elif waiting:
                turns.put_off(waiting.id, float(rest), in_outage=sign == "~")
    return " ".join(told)


@pytest.mark.parametrize(
    ("story", "given"),
    [
        pytest.param("?", "never", id="nothing waits"),
        pytest.param("+1a +2a +3a ? ? ? ?", "1 2 3 never", id="one user: the oldest first"),
        pytest.param("+1a +2a +3a! ? ? ?", "3 1 2", id="critical first"),
        pytest.param("+1a +2a +3a +4b ? ? ? ?", "1 4 2 3", id="users take turns"),
        pytest.param(
            "+1a +2a +3b +4b +5c! ? ? ? ? ?", "1 3 5 2 4", id="in the order of their arrival, critical or not"
        ),
        pytest.param("+1a +2a +3b ? ? +4b +5c ? ? ?", "1 3 5 2 4", id="one who was never served is before all others"),
        pytest.param("+1a +2b ? ? +3b +4a ? ?", "1 2 4 3", id="the one served longest ago, whoever asked first"),
        pytest.param("+1a +2a ? +3b ? +4b ? ?", "1 3 2 4", id="who comes again and again does not pass who waits"),
        pytest.param("+1a +2a! x2 ? ?", "1 never", id="what is done without being given is gone"),
        pytest.param("+1a/x +2a/x +3a/x x2 ? ? ?", "1 3 never", id="also from the middle of its incident"),
        pytest.param(
            "+1a/x +2a/x! +3a! ? ? ?", "3 1 2", id="critical or not: no message overtakes one of its incident"
        ),
        pytest.param("+1a/x +2a/x +3a -9 ? ? =9 ? ?", "1 3 at 9 1 2", id="those of other incidents pass one put off"),
        pytest.param("+1a@5 +2b@3 ? =3 ? ? =5 ? ?", "at 3 2 at 5 1 never", id="only what is due is given"),
        pytest.param("+1a@5 +2b@3 =9 ? ?", "1 2", id="the order is that of the turns, not of the times"),
        pytest.param("+1a -5 +2a! =5 ? ? ?", "1 2 1 never", id="what is more critical comes before what was put off"),
        pytest.param("+1a -9 -9", "1 at 9", id="nobody else: the same waits"),
        pytest.param(
            "+1a +2b ~300 ~300 ? * ? ? ?", "1 2 at 300 1 2 never", id="a flush makes due what an outage put off"
        ),
        pytest.param("+1a +2b -300 ~300 * ? ? =300 ?", "1 2 2 at 300 1", id="but not what was put off by itself"),
        pytest.param(
            "+1a ~300 * -400 * ? =300 ? =400 ?", "1 1 at 400 at 400 1", id="what a flush made due may be put off"
        ),
        pytest.param("+1a +1a/x ? ?", "1 never", id="one message waits once"),
        pytest.param("+1a +2b -9 0 ? +1a ?", "1 never 1", id="nothing is left after all was dropped"),
        pytest.param("+1a x7 ?", "1", id="one that is unknown is nothing to do for"),
    ],
)
def test_what_is_given_when(story, given):
    assert played(story) == given


def test_a_question_changes_nothing():
    turns = Turns()
    turns.add(message("1a"))
    turns.add(message("2b"))
    assert turns.next(0) == turns.next(0) == (message("1a"), None)


def test_the_length_is_what_waits_due_or_not():
    turns = Turns()
    for words in ("1a/x", "2a/x", "3b@9"):
        turns.add(message(words))
    turns.done(1)
    assert len(turns) == 2
    turns.drop_all()
    assert len(turns) == 0


def test_a_message_that_was_dropped_while_it_was_sent_is_not_put_off():
    turns = Turns()
    turns.put_off(1, 9, in_outage=True)
    turns.flush()
    assert turns.next(0) == (None, None)


def test_of_very_many_users_those_without_a_message_are_forgotten(monkeypatch):
    monkeypatch.setattr("epochwatchd.alerting.turns.USERS_REMEMBERED", 3)
    turns = Turns()
    turns.add(message("1a"))
    for number in range(2, 1000):
        turns.add(Waiting(number, str(number), f"user {number}", critical=False))
        turns.put_off(1, number, in_outage=False)
        turns.done(turns.next(number - 1)[0].id)
    assert len(turns._users) <= 3


def first_of_incidents(waiting):
    """The messages that nothing of their incident is before."""
    firsts = {}
    for one in waiting.values():
        firsts.setdefault(one.incident, one)
    return list(firsts.values())


STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 3), st.integers(0, 2), st.booleans(), st.sampled_from([0.0, 0.0, 3.0])),
    st.tuples(st.sampled_from(["done", "done", "put off", "outage"]), st.integers(1, 5)),
    st.tuples(st.just("flush")),
    st.tuples(st.just("time"), st.integers(0, 3)),
)


@given(st.lists(STEPS, max_size=80))
def test_whatever_happens_nobody_is_served_twice_while_another_waits(steps):
    turns, now, waiting = Turns(), 0.0, {}
    others_served = {}  # for each user with something due: who was served since
    for number, (what, *how) in enumerate(steps):
        if what == "add":
            user, incident, critical, wait_s = how
            one = Waiting(number, f"{user}/{incident}", f"user {user}", critical, now + wait_s)
            waiting[number] = one
            turns.add(one)
        elif what == "time":
            now += how[0]
        elif what == "flush":
            turns.flush()
            waiting = {i: w._replace(due_at=min(w.due_at, now)) if w.in_outage else w for i, w in waiting.items()}
            waiting = {i: w._replace(in_outage=False) for i, w in waiting.items()}
        given, at = turns.next(now)
        heads = first_of_incidents(waiting)
        due = [one for one in heads if one.due_at <= now]
        others_served = {one.user: others_served.get(one.user, set()) for one in due}
        if not due:
            assert (given, at) == (None, min((one.due_at for one in heads), default=None))
            continue
        assert given._replace(due_at=0) in [one._replace(due_at=0) for one in due]
        own = [one for one in due if one.user == given.user]
        assert given.id == min(own, key=lambda one: (not one.critical, one.id)).id
        if what == "done":
            turns.done(given.id)
            del waiting[given.id]
        elif what in ("put off", "outage"):
            turns.put_off(given.id, now + how[0], in_outage=what == "outage")
            waiting[given.id] = waiting[given.id]._replace(due_at=now + how[0], in_outage=what == "outage")
        else:
            continue
        for user, served in others_served.items():
            if user == given.user:
                served.clear()
            else:
                assert given.user not in served, f"{given.user} is served twice while {user} waits"
                served.add(given.user)
    assert len(turns) == len(waiting)
