"""The other ways a beat may come: datagrams of the agent, plain JSON, wrapped commands, shell scripts."""

import json
import signal
import socket
import subprocess

import pytest
from harness import Daemon, eventually, free_udp_port

BEATS = """
import os, sys
from epochwatch import agent
for epoch in range(4):
    agent.beat(epoch, 1 / (epoch + 1))
input()
"""


@pytest.fixture(params=["open", "with a key"])
def network(request, tmp_path):
    """A daemon that takes datagrams, and the environment that agents need to send them."""
    port = free_udp_port()
    heartbeats, env = {"udp": f"127.0.0.1:{port}"}, {"EPOCHWATCH_UDP": f"localhost:{port}"}
    if request.param == "with a key":
        key = tmp_path / "key"
        key.write_text("a shared secret\n")
        heartbeats["key_file"] = str(key)
        env["EPOCHWATCH_KEY_FILE"] = str(key)
    with Daemon({"heartbeats": heartbeats}) as daemon:
        yield daemon, env


def proceed(process):
    process.stdin.write(b"\n")
    process.stdin.flush()


@pytest.mark.parametrize(
    ("code", "kind", "cause"),
    [
        ("", "finished", None),
        ("raise ValueError('bad batch')", "crashed", "exception"),
        ("sys.exit(3)", "crashed", "exit_code"),
        ("os.kill(os.getpid(), 9)", "crashed", "signal"),
    ],
)
def test_a_local_run_by_datagram_is_told_like_one_by_file(network, code, kind, cause):
    daemon, env = network
    process = daemon.train(BEATS + code, job="udp", **env)
    daemon.wait_until_watched("udp")
    eventually(lambda: not list(daemon.beats.iterdir()))
    proceed(process)
    told = daemon.wait_for(job="udp")
    assert (told["kind"], (told["cause"] or {}).get("code"), told["pid"]) == (kind, cause, process.pid)
    assert (told["progress"]["epoch"], told["progress"]["loss"]) == (3, 0.25)
    daemon.settle()
    assert len(daemon.about(job="udp")) == 1


def test_a_frozen_run_by_datagram_is_silent(network):
    daemon, env = network
    process = daemon.train(BEATS, job="udp", **env)
    daemon.wait_until_watched("udp")
    process.send_signal(signal.SIGSTOP)
    assert daemon.wait_for(job="udp", kind="silent")["cause"]["code"] == "stopped"


@pytest.fixture
def daemon():
    port = free_udp_port()
    with Daemon({"heartbeats": {"udp": f"127.0.0.1:{port}"}, "defaults": {"silent_after": "2s"}}) as daemon:
        daemon.udp = port
        yield daemon


def say(daemon, **fields):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(json.dumps(fields).encode(), ("127.0.0.1", daemon.udp))


def test_a_json_run_that_falls_quiet_is_lost_and_found(daemon):
    say(daemon, job="far", epoch=1)
    lost = daemon.wait_for(job="far", kind="lost")
    say(daemon, job="far", epoch=2)
    assert daemon.wait_for(job="far", status="resolved")["id"] == lost["id"]
    say(daemon, job="far", event="finished", reason="done")
    daemon.wait_for(job="far", kind="finished")
    assert [m["status"] for m in daemon.about(job="far")] == ["firing", "resolved", "notice"]


def test_a_json_run_with_a_pid_is_tied_to_its_process(daemon):
    process = daemon.train("import sys; input(); sys.exit(4)")
    say(daemon, job="other language", pid=process.pid, epoch=7)
    daemon.wait_until_watched("other language")
    proceed(process)
    told = daemon.wait_for(job="other language", kind="crashed")
    assert (told["cause"]["code"], told["progress"]["epoch"]) == ("exit_code", 7)


def test_the_same_words_after_an_end_begin_another_run(daemon):
    for _ in range(2):
        say(daemon, job="nightly", epoch=1)
        say(daemon, job="nightly", event="finished")
    eventually(lambda: len(daemon.about(job="nightly", kind="finished")) == 2)
    assert len({m["run"] for m in daemon.about(job="nightly")}) == 2


def wrapped(daemon, code, **options):
    return daemon.run("epochwatch", "run", "--job", "wrapped", "--", "python", "-c", code, **options)


@pytest.mark.parametrize(
    ("code", "status", "kind", "cause"),
    [
        ("print('fine')", 0, "finished", None),
        ("import sys; print('no space left'); sys.exit(5)", 5, "crashed", "exit_code"),
        ("import os; os.kill(os.getpid(), 11)", -11, "crashed", "signal"),
        ("from epochwatch import agent; agent.beat(3, 0.5)", 0, "finished", None),
        ("from epochwatch import agent; agent.beat(3, 0.5); raise KeyError('x')", 1, "crashed", "exception"),
        ("from epochwatch import agent; agent.beat(3, 0.5); import os; os.abort()", -6, "crashed", "signal"),
    ],
)
def test_a_wrapped_command_is_told_once_by_its_own_end(daemon, code, status, kind, cause):
    assert wrapped(daemon, code).returncode == status
    told = daemon.wait_for(job="wrapped")
    assert (told["kind"], (told["cause"] or {}).get("code")) == (kind, cause)
    assert told["progress"]["epoch"] == (3 if "beat" in code else None)
    daemon.settle()
    assert len(daemon.about(job="wrapped")) == 1


def test_the_end_of_a_wrapped_commands_output_is_in_the_message(daemon):
    wrapped(daemon, "print('epoch 3'); print('CUDA out of memory'); import os; os._exit(1)")
    assert "CUDA out of memory" in daemon.wait_for(job="wrapped")["cause"]["evidence"]


@pytest.mark.parametrize("code", ["", "; raise KeyError('x')"])
def test_a_wrapped_run_by_datagram_is_one_run(network, code):
    daemon, env = network
    # By number: a name is looked up beside the training, and one that ends at once does not wait for it for long.
    env = {**env, "EPOCHWATCH_UDP": env["EPOCHWATCH_UDP"].replace("localhost", "127.0.0.1")}
    inside = f"from epochwatch import agent; agent.beat(3, 0.5){code}"
    daemon.run("epochwatch", "run", "--job", "wrapped", "--", "python", "-c", inside, env={**daemon.env, **env})
    told = daemon.wait_for(job="wrapped")
    assert (told["kind"], told["progress"]["epoch"]) == ("crashed" if code else "finished", 3)
    daemon.settle()
    assert len(daemon.about(job="wrapped")) == 1
    assert len([m for m in daemon.messages if (m["job"], m["kind"]) == ("wrapped", "started")]) == 1


def test_a_wrapper_that_is_killed_leaves_its_training_watched(daemon):
    inside = "import os, sys; from epochwatch import agent; agent.beat(3, 0.5); print(os.getpid(), flush=True); input()"
    line = ["epochwatch", "run", "--job", "wrapped", "--", "python", "-c", f"{inside}; sys.exit(4)"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(line, env={**daemon.env, "EPOCHWATCH_DIR": str(daemon.beats)}, **pipes) as wrapper:
        pid = int(wrapper.stdout.readline())
        eventually(lambda: len(list(daemon.beats.glob("wrapped.*.beat"))) == 2)
        wrapper.kill()
        wrapper.wait()
        daemon.settle()
        assert daemon.told("wrapped") == []
        wrapper.stdin.write(b"\n")
        wrapper.stdin.flush()
        told = daemon.wait_for(job="wrapped", kind="crashed")
    assert (told["pid"], told["cause"]["code"]) == (pid, "exit_code")


def test_runs_of_one_process_count_their_own_time(daemon):
    code = """
import time
from epochwatch import agent
with agent.run("first") as run:
    run.beat(1, 0.5)
    time.sleep(1.2)
with agent.run("second") as run:
    run.beat(1, 0.5)
"""
    daemon.train(code)
    assert daemon.wait_for(job="second", kind="finished")["elapsed_s"] < daemon.wait_for(job="first")["elapsed_s"]


def test_a_shell_script_that_beats_is_a_run(daemon):
    script = "for e in 0 1 2; do epochwatch beat --job script --epoch $e; done; exit 3"
    with subprocess.Popen(["bash", "-c", script], env=daemon.env) as process:
        assert process.wait() == 3
    told = daemon.wait_for(job="script")
    assert (told["kind"], told["progress"]["epoch"], told["pid"]) == ("crashed", 2, process.pid)
    assert told["cause"]["code"] in ("exit_code", "unknown")


def test_a_shell_script_finishes_by_its_end(daemon):
    script = "epochwatch beat --job script --epoch 0; epochwatch beat --job script --epoch 1; exit 0"
    with subprocess.Popen(["bash", "-c", script], env=daemon.env):
        assert daemon.wait_for(job="script")["kind"] == "finished"


def test_a_shell_script_finishes_by_word_and_may_begin_again(daemon):
    script = """
    for i in 1 2; do
      epochwatch beat --job script --epoch 0
      epochwatch beat --job script --event finished
      sleep 1.5
    done
    """
    with subprocess.Popen(["bash", "-c", script], env=daemon.env):
        eventually(lambda: len(daemon.about(job="script", kind="finished")) == 2)
    daemon.settle()
    assert len(daemon.about(job="script")) == 2
