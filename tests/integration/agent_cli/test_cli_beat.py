"""``epochwatch beat``: every call from one shell script is a beat of that script's run."""

import math
import socket
import subprocess
import sys

import pytest

from epochwatch import listing, wire


@pytest.fixture
def script(environment):
    """Run a shell script in which ``beat`` is ``epochwatch beat``; it gives the completed process."""

    def run(text, **changes):
        text = f'beat() {{ "{sys.executable}" -m epochwatch beat "$@"; }}\n{text}\n'
        return subprocess.run(
            ["sh", "-c", text], env={**environment, **changes}, capture_output=True, timeout=30, check=False
        )

    return run


def test_all_calls_of_a_script_are_one_run_in_the_scripts_name(script, beats, directory):
    result = script("echo $$; beat --job a --epoch 1; beat --job a --epoch 2 --loss 0.5")
    assert len(list(directory.iterdir())) == 1
    head, body = beats()["a"]
    assert body.pid == int(result.stdout)
    assert body.start is not None
    assert not body.announces_end
    assert (head.epoch, head.loss, head.state) == (2, 0.5, wire.RUNNING)


def test_the_number_of_a_beat_grows(script, beats, tmp_path):
    script(f'beat --job a; cp "$EPOCHWATCH_DIR"/* {tmp_path}/first; beat --job a')
    assert wire.decode_head((tmp_path / "first").read_bytes()).seq < beats()["a"].head.seq


def test_two_scripts_are_two_runs(script, directory):
    script("beat --job a")
    script("beat --job a")
    assert len(list(directory.iterdir())) == 2


def test_a_beat_says_all_that_the_line_says(script, beats):
    script("beat --job a --epochs 9 --epoch 1 --step 5 --loss 0.5 --metric acc=0.9 --phase eval --within 1h30m")
    head, body = beats()["a"]
    assert (head.phase, head.within_s, head.phase_time_ns) == ("eval", 5400, head.time_ns)
    assert (body.epochs, body.metrics) == (9, {"acc": 0.9})


def test_a_phase_ends_with_the_next_beat(script, beats):
    script("beat --job a --epoch 1 --step 5 --metric acc=0.9 --phase eval; beat --job a --epoch 2 --metric f1=0.5")
    head, body = beats()["a"]
    assert (head.epoch, head.step, head.phase) == (2, 5, None)
    assert body.metrics == {"acc": 0.9, "f1": 0.5}


@pytest.mark.parametrize(("event", "state"), [("finished", wire.FINISHED), ("failed", wire.FAILED)])
def test_a_script_says_how_it_ended(script, beats, event, state):
    script(f"beat --job a --epoch 3; beat --job a --event {event} --reason 'so it was'")
    head, body = beats()["a"]
    assert (head.state, head.epoch, body.reason) == (state, 3, "so it was")


def test_a_loss_may_be_no_number(script, beats):
    script("beat --job a --loss nan --metric x=inf")
    assert math.isnan(beats()["a"].head.loss)
    assert beats()["a"].body.metrics == {"x": math.inf}


def test_inside_epochwatch_run_the_script_is_a_worker_of_that_run(epochwatch, directory):
    epochwatch("run", "--job", "a", "--", "sh", "-c", f'"{sys.executable}" -m epochwatch beat --job a --epoch 3; true')
    script, wrapper = sorted(
        (listing.read_beat(str(file))[0] for file in directory.glob("*.beat")),
        key=lambda beat: beat.body.command_pid or 0,
    )
    assert script.body.run == wrapper.body.run
    assert script.body.pid == wrapper.body.command_pid
    assert script.head.epoch == 3


def test_with_an_address_the_beat_is_a_datagram(script, directory):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        script("beat --job a --epoch 3", EPOCHWATCH_UDP=f"127.0.0.1:{receiver.getsockname()[1]}")
        data = receiver.recv(2000)
    head = wire.decode_head(data)
    assert head.epoch == 3
    assert wire.decode_body(data[head.body_at :], head.body_crc).job == "a"
    assert not list(directory.iterdir())


def test_with_a_key_the_datagram_is_sealed(script, tmp_path):
    (tmp_path / "key").write_text("secret\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30)
        address = f"127.0.0.1:{receiver.getsockname()[1]}"
        script("beat --job a --epoch 3", EPOCHWATCH_UDP=address, EPOCHWATCH_KEY_FILE=str(tmp_path / "key"))
        payload, _ = wire.unseal(receiver.recv(2000), b"secret")
    assert wire.decode_head(payload).epoch == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"EPOCHWATCH_UDP": "nowhere"},
        {"EPOCHWATCH_UDP": "127.0.0.1:9", "EPOCHWATCH_KEY_FILE": "/no/such/key"},
        {"EPOCHWATCH_DIR": "/proc/self", "TMPDIR": "/proc/self", "XDG_RUNTIME_DIR": "/proc/self"},
    ],
)
def test_a_beat_that_cannot_be_sent_is_said_once_and_does_not_end_the_script(script, changes):
    result = script("set -e; beat --job a; echo goes on", **changes)
    assert result.returncode == 0
    assert result.stdout == b"goes on\n"
    assert result.stderr.count(b"\n") == 1
    assert result.stderr.startswith(b"epochwatch: no beat was sent: ")


def test_switched_off_it_does_nothing(script, directory):
    assert script("beat --job a", EPOCHWATCH_OFF="1").returncode == 0
    assert not list(directory.iterdir())


def test_a_file_that_is_no_heartbeat_any_more_is_left_alone_and_another_is_begun(script, directory):
    script('beat --job a --epoch 1; for f in "$EPOCHWATCH_DIR"/*; do echo damaged > "$f"; done; beat --job a --epoch 2')
    damaged, whole = sorted(directory.iterdir(), key=lambda path: path.stat().st_size)
    assert damaged.read_text() == "damaged\n"
    assert listing.read_beat(str(whole))[0].head.epoch == 2


def test_after_an_end_another_run_is_begun(script, directory):
    script("beat --job a --epoch 1; beat --job a --event finished; beat --job a --epoch 5; beat --job a --epoch 6")
    assert sorted(listing.read_beat(str(path))[0].head.epoch for path in directory.iterdir()) == [1, 6]


@pytest.mark.parametrize(
    "arguments",
    [
        "", "--job a --epoch x", "--job a --epoch inf", "--job a --step 1.5", "--job a --step 99999999999999999999",
        "--job a --epochs 0", "--job a --loss x", "--job a --metric x", "--job a --metric x=y", "--job a --event gone",
        "--job a --within 10m", "--job a --phase p --within soon", "--job a surplus", "--job a -- surplus",
    ],
)  # fmt: skip
def test_a_mistake_in_the_line_is_status_2(script, arguments, directory):
    result = script(f"beat {arguments}")
    assert result.returncode == 2
    assert b"usage: epochwatch beat" in result.stderr
    assert not list(directory.iterdir())
