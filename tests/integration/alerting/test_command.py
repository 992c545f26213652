"""Commands: real processes, with the notification on their standard input."""

import json
import os
import signal
import subprocess
import sys

import pytest
from telling import sending, told

from epochwatchd.alerting.channels import command
from epochwatchd.model import ChannelError


def python(code, *arguments):
    return {"kind": "command", "run": [sys.executable, "-c", code, *map(str, arguments)]}


def failure(given, crash):
    send, _ = sending(given)
    with pytest.raises(ChannelError) as refused:
        send(told(crash))
    return refused.value


def test_a_command_gets_the_notification(crash, tmp_path):
    keep = "import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())"
    send, _ = sending(python(keep, tmp_path / "got"))
    assert send(told(crash)).said == "it left with 0"
    got = json.loads((tmp_path / "got").read_bytes())
    assert (got["version"], got["job"], got["text"]) == (1, "resnet50 <é>", crash.text)


def test_no_shell_is_between(crash):
    words = "a; touch x $HOME"
    send, _ = sending(python("import sys; sys.exit(sys.argv[1] != 'a; touch x $HOME')", words))
    assert send(told(crash))


def test_a_command_that_fails_is_tried_again_and_its_first_words_are_told(crash):
    error = failure(python("import sys; sys.exit('no room\\n' + 'x' * 10_000_000)"), crash)
    assert error.refusal == "later"
    assert str(error).startswith("it left with 1: no room")
    assert len(str(error)) < 200


def test_one_that_is_not_there_parks_the_channel(crash, tmp_path):
    error = failure({"kind": "command", "run": str(tmp_path / "none")}, crash)
    assert (error.refusal, str(error)) == ("channel", "none cannot be run: No such file or directory")


def test_one_that_hangs_is_killed_with_all_that_it_started(crash, tmp_path):
    hangs = (
        "import os, subprocess, sys, time; child = subprocess.Popen(['sleep', '600']);"
        "open(sys.argv[1], 'w').write(f'{os.getpid()} {child.pid}'); time.sleep(600)"
    )
    given = {**python(hangs, tmp_path / "pids"), "timeout": "1s"}
    error = failure(given, crash)
    assert (error.refusal, str(error)) == ("later", "it was not done within 1 s and was killed")
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        assert not lives(pid)


def lives(pid):
    """Whether a process goes on; one that waits for its parent to ask does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state) and not state.startswith("Z")


def test_one_that_reads_nothing_is_done(crash):
    send, _ = sending({"kind": "command", "run": "/bin/true"})
    assert send(told(crash)).said == "it left with 0"


def test_one_that_a_signal_ended_is_tried_again(crash):
    error = failure(python(f"import os; os.kill(os.getpid(), {signal.SIGKILL})"), crash)
    assert (error.refusal, str(error)) == ("later", "it left with -9")


def test_what_is_missing_is_noted(tmp_path):
    def notes(run):
        return command.notes(command.Options(run=run))

    assert notes(["/bin/true"]) == []
    assert notes([str(tmp_path / "none")]) == [f"{tmp_path / 'none'} is not there, or may not be executed"]
    assert "PATH" in notes(["true"])[0]
