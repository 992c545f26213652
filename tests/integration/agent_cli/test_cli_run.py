"""``epochwatch run``: the command does not notice it, and its end is recorded."""

import os
import re
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from epochwatch import listing, wire


def python(code, *arguments):
    return sys.executable, "-u", "-c", textwrap.dedent(code), *arguments


@pytest.mark.parametrize("status", [0, 1, 3, 255])
def test_the_exit_status_is_returned_unchanged(epochwatch, beats, status):
    assert epochwatch("run", "--job", "a", "--", "sh", "-c", f"exit {status}").returncode == status
    head, body = beats()["a"]
    assert head.state == (wire.FAILED if status else wire.FINISHED)
    assert body.exit_status == status


def test_what_it_writes_counts_as_beats(epochwatch, beats):
    epochwatch("run", "--job", "quiet", "--", "sh", "-c", ":")
    epochwatch(
        "run", "--job", "talks", "--", *python("import os, time\nfor _ in range(3): os.write(1, b'1'); time.sleep(0.2)")
    )
    assert (beats()["quiet"].head.seq, beats()["talks"].head.seq) == (0, 3)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV", "SIGABRT", "SIGPIPE", "SIGUSR1", "SIGINT"])
def test_a_death_by_signal_is_passed_on_as_one(epochwatch, beats, name):
    number = signal.Signals[name]
    result = epochwatch("run", "--job", "a", "--", "sh", "-c", f"kill -{int(number)} $$")
    assert result.returncode == -number
    assert beats()["a"].body.exit_status == -number
    assert beats()["a"].head.state == wire.FAILED


def test_the_wrapper_leaves_no_core_dump_of_its_own(epochwatch, tmp_path):
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    epochwatch(
        "run", "--", *python("import os, resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); os.abort()"),
        cwd=tmp_path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (hard, hard)),
    )  # fmt: skip
    assert not list(tmp_path.glob("core*"))


def test_secrets_of_the_command_line_reach_the_command_and_nobody_else(epochwatch, directory):
    options = ["key=s3cret", "--api-key", "s3cret", "HF_TOKEN=s3cret", "--lr", "0.1"]
    result = epochwatch("run", "--job", "api_key=s3cret", "--", "sh", "-c", 'echo "$2" | tr a-z A-Z', *options)
    assert result.stdout == b"S3CRET\n"
    (file,) = directory.glob("*.beat")
    assert b"s3cret" not in file.read_bytes() + bytes(file)
    body = listing.read_beat(str(file))[0].body
    assert body.job == "api_key=…"
    assert body.argv[3:] == ("key=…", "--api-key", "…", "HF_TOKEN=…", "--lr", "0.1")


def test_a_missing_command_is_said_in_one_line(epochwatch, beats):
    result = epochwatch("run", "--job", "a", "--", "no-such-command")
    assert result.returncode == 127
    assert result.stderr == b"epochwatch: no-such-command: command not found\n"
    assert beats()["a"].body.exit_status == 127


def test_a_file_that_cannot_be_executed_is_said_in_one_line(epochwatch, tmp_path):
    (tmp_path / "data").write_text("text")
    result = epochwatch("run", "--", tmp_path / "data")
    assert result.returncode == 126
    assert result.stderr == f"epochwatch: {tmp_path}/data: Permission denied\n".encode()


def test_a_script_without_an_interpreter_line_is_run_by_the_shell(epochwatch, tmp_path):
    script = tmp_path / "train"
    script.write_text('echo "$1"\n')
    script.chmod(0o755)
    assert epochwatch("run", "--", script, "argument").stdout == b"argument\n"


def test_output_passes_through_unchanged_and_its_end_is_kept(epochwatch, beats):
    result = epochwatch("run", "--job", "a", "--", "sh", "-c", "echo out; echo err >&2; printf unfinished")
    assert result.stdout == b"out\nunfinished"
    assert result.stderr == b"err\n"
    assert sorted(beats()["a"].body.tail) == ["err", "out", "unfinished"]


def test_only_the_last_200_lines_are_kept(epochwatch, beats):
    epochwatch("run", "--job", "a", "--", "seq", "5000")
    assert beats()["a"].body.tail == tuple(map(str, range(4801, 5001)))


def test_output_to_one_file_keeps_its_order(environment):
    code = "import os\nfor i in range(300): os.write(1 + i % 2, b'%d\\n' % i)"
    line = [sys.executable, "-m", "epochwatch", "run", "--", *python(code)]
    result = subprocess.run(
        line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=True, timeout=30
    )
    assert result.stdout.split() == [b"%d" % i for i in range(300)]


def test_binary_output_arrives_byte_for_byte(epochwatch, tmp_path, beats):
    data = os.urandom(1 << 20)
    (tmp_path / "data").write_bytes(data)
    assert epochwatch("run", "--job", "a", "--", "cat", tmp_path / "data").stdout == data
    assert beats()["a"].head.state == wire.FINISHED


def test_30_megabytes_of_output_arrive_whole_in_bounded_memory(start, tmp_path, eventually):
    data = b"".join(b"%028d \n" % i for i in range(1_000_000))
    (tmp_path / "data").write_bytes(data)
    with (tmp_path / "copy").open("wb") as copy:
        process = start(
            "run", "--job", "a", "--", "sh", "-c", f"cat {tmp_path}/data; cat", stdin=subprocess.PIPE, stdout=copy
        )
    eventually(lambda: (tmp_path / "copy").stat().st_size == len(data))
    peak_kib = int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text()).group(1))
    process.stdin.close()
    assert process.wait() == 0
    assert (tmp_path / "copy").read_bytes() == data
    assert peak_kib < 64 * 1024


def test_a_reader_that_leaves_early_ends_the_command_as_without_us(environment):
    script = f'"{sys.executable}" -m epochwatch run -- yes | head -n 2; echo "${{PIPESTATUS[0]}}"'
    result = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, timeout=30, check=True)
    assert result.stdout == b"y\ny\n141\n"
    assert result.stderr == b""


def test_a_grandchild_that_keeps_the_output_open_does_not_keep_us(epochwatch, tmp_path):
    result = epochwatch("run", "--", "sh", "-c", f"sleep 300 & echo $! > {tmp_path}/pid; echo done; exit 4")
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert result.stdout == b"done\n"
    assert result.returncode == 4


def test_a_grandchild_that_goes_on_writing_does_not_keep_us(epochwatch):
    assert epochwatch("run", "--", "sh", "-c", "yes & exit 4").returncode == 4


def test_standard_input_is_the_commands(environment):
    line = [sys.executable, "-m", "epochwatch", "run", "--", "cat"]
    result = subprocess.run(line, env=environment, input=b"typed", stdout=subprocess.PIPE, check=True, timeout=30)
    assert result.stdout == b"typed"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_descriptors_do_no_harm(environment, closed, beats):
    script = f'"{sys.executable}" -m epochwatch run --job a -- sh -c "echo out; exit 5" {closed}'
    assert subprocess.run(["sh", "-c", script], env=environment, check=False, timeout=30).returncode == 5
    assert beats()["a"].body.exit_status == 5


def test_a_full_disk_behind_the_output_is_said_once(environment):
    line = [sys.executable, "-m", "epochwatch", "run", "--", "sh", "-c", "seq 100000; exit 6"]
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(line, env=environment, stdout=full, stderr=subprocess.PIPE, check=False, timeout=30)
    assert result.returncode == 6
    assert result.stderr == b"epochwatch: output is lost: No space left on device\n"


def test_where_nothing_can_be_recorded_the_command_still_runs(epochwatch, environment, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    nowhere = {**environment, "EPOCHWATCH_DIR": str(blocked / "a"), "TMPDIR": str(blocked)}
    result = epochwatch("run", "--", "sh", "-c", "echo out; exit 3", env=nowhere)
    assert result.returncode == 3
    assert result.stdout == b"out\n"


@pytest.mark.parametrize(
    "name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGCONT"]
)
def test_signals_are_passed_on_and_do_not_end_the_wrapper_first(start, name):
    code = """
        import signal, sys
        wanted = signal.Signals[sys.argv[1]]
        signal.pthread_sigmask(signal.SIG_BLOCK, {wanted})
        print("ready", flush=True)
        print("got", signal.sigwait({wanted}).name)
        sys.exit(7)
    """
    process = start("run", "--", *python(code, name), stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.Signals[name])
    assert process.stdout.readline() == f"got {name}\n".encode()
    assert process.wait() == 7


HANDLES = "import signal; signal.signal(signal.SIGHUP, lambda *_: print('heard')); print('ready'); input()"
LISTENS = "print('ready'); input()"
WRAPPED = [sys.executable, "-m", "epochwatch", "run", "--job", "a", "--"]


@pytest.mark.parametrize(
    ("line", "asked_by"),
    [
        ([*WRAPPED, *python(HANDLES)], signal.SIGHUP),
        (["nohup", *WRAPPED, *python(HANDLES)], signal.SIGHUP),
        (["nohup", *WRAPPED, *python(LISTENS)], None),
        ([*WRAPPED, "nohup", *python(LISTENS)], None),
    ],
    ids=["it handles it", "it handles it all the same", "nohup before", "nohup behind"],
)
def test_who_is_deaf_to_a_hangup_was_not_asked_to_end(environment, beats, line, asked_by):
    with subprocess.Popen(line, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        if asked_by is not None:
            assert process.stdout.readline() == b"heard\n"
        process.communicate(b"\n")
    assert (process.returncode, beats()["a"].body.signal) == (0, asked_by)


def test_a_command_that_a_signal_ends_takes_the_wrapper_along(start, beats):
    process = start("run", "--job", "a", "--", "sh", "-c", "echo ready; exec sleep 300", stdout=subprocess.PIPE)
    process.stdout.readline()
    process.terminate()
    assert process.wait() == -signal.SIGTERM
    assert beats()["a"].body.exit_status == -signal.SIGTERM


def test_a_wrapper_that_is_told_to_stop_stops_with_its_command_and_goes_on_with_it(start):
    # A group of its own whose parent is outside of it: in an orphaned group, as CI's may be, the kernel stops nobody.
    command = ("sh", "-c", "echo ready; exec sleep 300")
    process = start("run", "--", *command, stdout=subprocess.PIPE, preexec_fn=os.setpgrp)
    process.stdout.readline()
    process.send_signal(signal.SIGTSTP)
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    process.send_signal(signal.SIGCONT)
    process.terminate()
    assert process.wait() == -signal.SIGTERM


def test_the_command_starts_with_the_signal_mask_and_handlers_it_would_have_without_us(epochwatch):
    code = """
        import signal
        print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    """
    assert epochwatch("run", "--", *python(code)).stdout == b"set()\n"
    ignored = epochwatch("run", "--", "grep", "SigIgn", "/proc/self/status").stdout
    assert int(ignored.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


def test_the_heartbeat_exists_before_the_command_and_names_both_processes(start, beats, eventually):
    process = start(
        "run", "--job", "a", "--epochs", 3, "--steps", 9, "--tag", "k=v", "--", "sh", "-c", "ls $EPOCHWATCH_DIR; cat",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline().startswith(b"a.")
    body = eventually(lambda: beats()["a"].body if beats()["a"].body.command_pid else None)
    assert body.pid == process.pid
    assert (body.epochs, body.steps, body.tags) == (3, 9, {"k": "v"})
    assert body.argv == ("sh", "-c", "ls $EPOCHWATCH_DIR; cat")
    assert f"PPid:\t{process.pid}\n" in Path(f"/proc/{body.command_pid}/status").read_text()
    process.stdin.close()
    assert process.wait() == 0


def test_the_command_learns_its_run_and_job(epochwatch, beats):
    result = epochwatch("run", "--job", "a b/c", "--", "sh", "-c", 'echo "$EPOCHWATCH_RUN $EPOCHWATCH_JOB"')
    (beat,) = beats().values()
    assert result.stdout.decode() == f"{beat.body.run} a b/c\n"


def test_an_agent_inside_joins_the_run(epochwatch, directory):
    epochwatch("run", "--job", "a", "--", *python("from epochwatch import agent; agent.beat(3, 0.5)"))
    inside, wrapper = sorted(
        (listing.read_beat(str(file))[0] for file in directory.glob("*.beat")),
        key=lambda beat: beat.body.command_pid or 0,
    )
    assert inside.body.run == wrapper.body.run
    assert inside.head.epoch == 3
    assert inside.body.pid == wrapper.body.command_pid


def test_a_run_inside_a_run_is_its_own(epochwatch, beats):
    epochwatch("run", "--job", "a", "--", sys.executable, "-m", "epochwatch", "run", "--job", "b", "--", "true")
    assert beats()["a"].body.run != beats()["b"].body.run


@pytest.mark.parametrize(
    ("command", "job"),
    [(("sh", "-c", "true"), "sh"), (("sh", "deep/train.sh", "x.py"), "train"), (("/bin/true",), "true")],
)
def test_a_job_is_called_after_the_script(epochwatch, beats, tmp_path, command, job):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/train.sh").touch()
    epochwatch("run", "--", *command, cwd=tmp_path)
    assert list(beats()) == [job]


@pytest.mark.parametrize(
    "arguments",
    [("run",), ("run", "--"), ("run", "--epochs", "0", "--", "true"), ("run", "--tag", "x", "--", "true"), ()],
)
def test_a_mistake_in_the_line_is_status_2(epochwatch, arguments):
    result = epochwatch(*arguments)
    assert result.returncode == 2
    assert b"usage: epochwatch" in result.stderr


@pytest.mark.parametrize("command", ["run", "beat", "status"])
def test_help_shows_an_example(epochwatch, command):
    result = epochwatch(command, "--help")
    assert result.returncode == 0
    assert b"example: epochwatch " + command.encode() in result.stdout


def test_the_options_behind_the_two_dashes_are_the_commands(epochwatch):
    assert epochwatch("run", "--job", "a", "--", "echo", "--job", "--", "-h").stdout == b"--job -- -h\n"
    assert epochwatch("run", "--job", "a", "echo", "--job").stdout == b"--job\n"
