"""Notebooks: the end of a cell is the end of the run, and an idle kernel is no hang. Real kernels and clients."""

import json
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import DEADLINE_S, Daemon, eventually
from jupyter_client.manager import start_new_kernel

TRAIN = """
import time
from epochwatch import agent
for epoch in range(5):
    agent.beat(epoch, 1 / (epoch + 1))
"""
IMPATIENT = {"defaults": {"silent_after": "1s", "first_beat_within": "1s"}}


@pytest.fixture
def daemon():
    with Daemon() as daemon:
        yield daemon


@pytest.fixture
def impatient():
    with Daemon(IMPATIENT) as daemon:
        yield daemon


class Kernel:
    """A kernel, and who types there."""

    def __init__(self, manager, client):
        self.manager = manager
        self._client = client

    def begin(self, code):
        """Run a cell, and do not wait for its end."""
        self._client.execute(code)

    def run(self, code):
        """Run a cell to its end; gives how it ended, and its exception's name."""
        said = self._client.execute_interactive(code, timeout=DEADLINE_S, output_hook=lambda _: None)["content"]
        return said["status"], said.get("ename")


@contextmanager
def kernel(daemon, **env):
    manager, client = start_new_kernel(env={**daemon.env, "JPY_SESSION_NAME": "work/lenet.ipynb", **env})
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def told(daemon):
    daemon.settle()
    messages = [m for m in daemon.about() if not m["job"].startswith("settled")]
    said = [(m["job"], m["kind"], (m["cause"] or {}).get("code"), m["progress"]["epoch_shown"]) for m in messages]
    return sorted(said, key=str)  # messages of two runs may come in any order


def test_the_end_of_a_cell_is_the_end_of_its_run_and_the_notebook_names_it(daemon):
    with kernel(daemon) as notebook:
        assert notebook.run(TRAIN) == ("ok", None)
        assert told(daemon) == [("lenet", "finished", None, 5)]
        assert notebook.run("1 + 1") == ("ok", None)
        assert notebook.run(TRAIN) == ("ok", None)
    assert told(daemon) == [("lenet", "finished", None, 5)] * 2
    assert [m["argv"] for m in daemon.about(job="lenet")] == [["work/lenet.ipynb"]] * 2


def test_an_exception_in_a_cell_is_a_crash_and_is_shown_as_ever(daemon):
    with kernel(daemon) as notebook:
        assert notebook.run(TRAIN + "    if epoch == 2: raise ValueError('bad batch')") == ("error", "ValueError")
        crash = daemon.wait_for(job="lenet", kind="crashed")
        assert (crash["cause"]["code"], crash["progress"]["epoch_shown"]) == ("exception", 3)
        assert "ValueError: bad batch" in crash["text"]
    assert len(told(daemon)) == 1


def test_of_a_script_that_is_run_from_a_cell_the_exception_counts_too(daemon):
    (daemon.folder / "train.py").write_text(TRAIN + "raise KeyError('weights')")
    with kernel(daemon) as notebook:
        assert notebook.run(f"%run {daemon.folder}/train.py") == ("ok", None)  # IPython shows it, and goes on
        assert daemon.wait_for(job="lenet", kind="crashed")["cause"]["code"] == "exception"
        assert notebook.run(TRAIN) == ("ok", None)
    assert [kind for _, kind, _, _ in told(daemon)] == ["crashed", "finished"]


def test_the_stop_button_is_a_persons_own_hand(daemon):
    with kernel(daemon) as notebook:
        notebook.begin(TRAIN + "    time.sleep(0.3 if epoch < 2 else 60)")
        daemon.wait_until_watched("lenet")
        notebook.manager.interrupt_kernel()
        stop = daemon.wait_for(job="lenet", kind="interrupted")
        assert (stop["cause"]["code"], stop["severity"]) == ("keyboard_interrupt", "info")


@pytest.mark.parametrize("restart", [True, False], ids=["restart", "shutdown"])
def test_a_kernel_that_is_ended_in_the_middle_of_a_cell_was_interrupted(daemon, restart):
    with kernel(daemon) as notebook:
        notebook.begin(TRAIN + "    time.sleep(60 if epoch else 0)")
        daemon.wait_until_watched("lenet")
        if restart:
            notebook.manager.restart_kernel()
        else:
            notebook.manager.shutdown_kernel()
        daemon.wait_for(job="lenet", kind="interrupted")
        assert [(kind, cause) for _, kind, cause, _ in told(daemon)] == [("interrupted", "keyboard_interrupt")]


def test_a_killed_kernel_is_a_crash(daemon):
    with kernel(daemon) as notebook:
        notebook.begin(TRAIN + "    time.sleep(60 if epoch else 0)")
        pid = daemon.wait_until_watched("lenet")["pid"]
        subprocess.run(["kill", "-KILL", str(pid)], check=True)
        assert daemon.wait_for(job="lenet", kind="crashed")["cause"]["code"] == "signal"


def test_an_idle_kernel_is_no_hang_whether_it_has_trained_or_only_said_its_plan(impatient):
    with kernel(impatient) as notebook, kernel(impatient, JPY_SESSION_NAME="planned.ipynb") as other:
        notebook.run(TRAIN)
        other.run("from epochwatch import agent; agent.start(epochs=5)")
        impatient.wait_until_watched("planned")
        time.sleep(5)  # five times what is a hang; nothing tells that nothing comes
        assert told(impatient) == [("lenet", "finished", None, 5)]
        other.run(TRAIN)
        assert impatient.wait_for(job="planned")["kind"] == "finished"


def test_a_cell_that_hangs_is_told_with_its_line(impatient):
    with kernel(impatient) as notebook:
        beats = "    time.sleep(0.2)\nfor step in range(25):\n    agent.beat(step=step)\n    time.sleep(0.2)\n"
        notebook.begin(TRAIN + beats + "import threading\nstuck = threading.Lock()\nstuck.acquire()\nstuck.acquire()")
        assert impatient.wait_for(job="lenet", kind="silent")["cause"]["code"] == "deadlock"


def test_a_training_in_a_thread_goes_on_after_its_cell(daemon):
    with kernel(daemon) as notebook:
        body = "\n    ".join(TRAIN.splitlines())
        notebook.run(
            f"import threading\ngo = threading.Event()\ndef work():\n    {body}\n    go.wait()\n    agent.finish()"
        )
        notebook.run("thread = threading.Thread(target=work)\nthread.start()")
        daemon.wait_until_watched("lenet")
        assert told(daemon) == []
        notebook.run("go.set()\nthread.join()")
        assert told(daemon) == [("lenet", "finished", None, 5)]


def test_the_magic_names_a_run_that_needs_no_beat_and_shows_what_the_cell_would(daemon):
    with kernel(daemon) as notebook:
        assert notebook.run("%load_ext epochwatch") == ("ok", None)
        assert notebook.run("%%epochwatch resnet\nx = 6\nx * 7") == ("ok", None)
        assert notebook.run("assert (x, _) == (6, 42)") == ("ok", None)
        assert notebook.run("%%epochwatch resnet\n1 / 0") == ("error", "ZeroDivisionError")
    assert [(job, kind) for job, kind, _, _ in told(daemon)] == [("resnet", "crashed"), ("resnet", "finished")]


def notebook_file(daemon, *cells):
    code = [
        {"cell_type": "code", "source": c, "metadata": {}, "outputs": [], "execution_count": None, "id": f"c{n}"}
        for n, c in enumerate(cells)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    file = daemon.folder / "sweep.ipynb"
    file.write_text(json.dumps({"cells": code, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
    return file


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(["papermill", "{}", "out.ipynb"], id="papermill"),
        pytest.param(["jupyter-nbconvert", "--to", "notebook", "--execute", "--output", "out", "{}"], id="nbconvert"),
        pytest.param(["jupyter-execute", "{}"], id="nbclient"),
    ],
)
def test_who_runs_notebooks_without_a_person_has_their_end_told(daemon, line):
    file = notebook_file(daemon, TRAIN, "agent.beat(5, 0.1); raise RuntimeError('no data')")
    program, *arguments = (word.format(file) for word in line)
    done = daemon.run(Path(sys.executable).with_name(program), *arguments, cwd=daemon.folder)
    assert done.returncode != 0
    daemon.wait_for(job="sweep", kind="crashed")
    assert [told[:3] for told in told(daemon)] == [("sweep", "crashed", "exception"), ("sweep", "finished", None)]


def test_python_at_its_own_prompt_is_no_hang(impatient):
    with subprocess.Popen(
        [sys.executable, "-i", "-c", TRAIN],
        env={**impatient.env, "EPOCHWATCH_JOB": "typed"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as python:
        impatient.wait_until_watched("typed")
        time.sleep(6)  # as above
        assert told(impatient) == []
        python.stdin.close()
    eventually(lambda: told(impatient) == [("typed", "finished", None, 5)])
