"""The ways in which people start trainings, by the ways in which these end: one message each, and the right one.

All ends of a row run at once, in one daemon. ``bench/idioms.py`` prints the table.
"""

import subprocess
import sys
import textwrap

import pytest
from harness import Daemon, eventually
from idioms import BEFORE, CONFIG, ROWS, ends_of, expected, playing, told_of


@pytest.mark.parametrize("row", ROWS)
def test_each_way_to_end_is_told_once_and_rightly_however_it_was_started(row):
    if row == "a pid namespace" and subprocess.run([*BEFORE[row], "true"], check=False).returncode:
        pytest.skip("pid namespaces cannot be made here")
    with Daemon(CONFIG) as daemon, playing(daemon, row):
        said = {end: told_of(daemon.messages, row, end) for end in ends_of(row)}
    assert said == {end: expected(row, end) for end in ends_of(row)}


def test_of_a_sweep_of_twenty_the_one_that_falls_is_named_by_what_differs():
    with Daemon() as daemon:
        for n in range(20):
            code = f"from epochwatch import agent; agent.beat(0, 1.0); 1 / {int(n != 7)}"
            daemon.train(code, "--lr", f"0.{n + 1}", "--out", "/data", job="sweep")
        eventually(lambda: len(daemon.about(job="sweep")) >= 20)
        daemon.settle()
        assert sorted(kind for _, kind, _ in daemon.told("sweep")) == ["crashed"] + ["finished"] * 19
        [crash] = daemon.about(kind="crashed")
        assert (crash["differs"], crash["cause"]["code"]) == ("--lr 0.8", "exception")


def test_several_runs_in_one_process_are_told_each_by_its_name():
    with Daemon() as daemon:
        code = """
            from epochwatch import agent
            for lr in (0.1, 0.2, 0.3):
                try:
                    with agent.run("sweep", tags={"lr": lr}, epochs=2):
                        for epoch in range(2):
                            agent.beat(epoch, 1.0)
                            1 / (lr != 0.2)
                except ZeroDivisionError:
                    pass
        """
        daemon.train(textwrap.dedent(code))
        daemon.wait_for(lambda m: m["tags"].get("lr") == "0.3", job="sweep")
        daemon.settle()
        told = sorted((m["tags"]["lr"], m["kind"], m["progress"]["epoch_shown"]) for m in daemon.about(job="sweep"))
        assert told == [("0.1", "finished", 2), ("0.2", "crashed", 1), ("0.3", "finished", 2)]


def test_the_name_given_on_the_command_line_is_the_runs_whatever_the_training_calls_itself():
    with Daemon({"routes": [{"to": "hook", "match": {"job": "nightly"}}]}) as daemon:
        code = "from epochwatch import agent; agent.start('lenet'); agent.beat(1, 0.5); raise ValueError"
        daemon.run("epochwatch", "run", "--job", "nightly", "--", sys.executable, "-c", code)
        told = daemon.wait_for(job="nightly", kind="crashed")
        assert (told["tags"], told["cause"]["code"]) == ({"job": "lenet"}, "exception")
