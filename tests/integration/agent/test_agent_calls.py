from __future__ import annotations

import json
import sys
import time

import pytest

from epochwatch import wire


def test_the_first_beat_registers_the_run_under_the_scripts_name(training):
    done = training.run("agent.beat(3, 0.25, step=1200)", EPOCHWATCH_JOB=None)
    beat = training.beat()
    assert (done.returncode, done.stderr) == (0, "")
    assert beat.body.job == "train"
    assert (beat.head.epoch, beat.head.loss, beat.head.step, beat.head.seq) == (3, 0.25, 1200, 1)


def test_the_body_says_who_beats(training):
    process = training.start(
        "agent.beat()", "--lr", "0.1", CUDA_VISIBLE_DEVICES="0,1", RANK="0", WORLD_SIZE="8", LOGNAME="mina"
    )
    process.wait(60)
    body = training.beat().body
    assert (body.pid, body.user, body.gpus, body.rank, body.world_size) == (process.pid, "mina", "0,1", 0, 8)
    assert body.argv[1:] == ("--lr", "0.1")
    assert body.python == ".".join(map(str, sys.version_info[:3]))
    assert body.announces_end
    assert len(body.run) == 12


def test_secrets_in_the_arguments_are_not_told(training):
    process = training.start("agent.beat()", "--lr", "0.1", "--api-key", "s3cret", "logger.token=s3cret")
    process.wait(60)
    assert training.beat().body.argv[1:] == ("--lr", "0.1", "--api-key", "…", "logger.token=…")


def test_what_is_too_large_to_be_read_is_left_out_and_the_rest_is_told(training):
    training.run(
        """
        agent.start("a\\nb", epochs=2**53 + 1, steps=7, tags={"x": 1})
        agent.beat(3, 0.5)
        agent.beat(2**53 + 1)
        agent.beat(1e300, 0.25, step=10**400)
        with agent.phase("eval", within="99999d"):
            agent.beat()
            import os; os._exit(0)
        """,
        RANK="10000001", WORLD_SIZE="9" * 5000,
    )  # fmt: skip
    head, body = training.beat()
    assert (head.epoch, head.loss, head.step, head.within_s) == (3, 0.25, None, 1e9)
    assert (body.job, body.epochs, body.steps, body.tags) == ("a b", None, 7, {"x": "1"})
    assert (body.rank, body.world_size) == (None, None)


def test_start_names_the_run_and_says_how_long_it_is(training):
    training.run("agent.start('resnet50', epochs=90, steps=1000, tags={'lr': 0.1})")
    body = training.beat().body
    assert (body.job, body.epochs, body.steps, body.tags) == ("resnet50", 90, 1000, {"lr": "0.1"})


def test_a_second_start_changes_the_plan(training):
    training.run("agent.start('a', epochs=3); agent.beat(1); agent.start(epochs=5); agent.start('a', tags={'x': 1})")
    beat = training.beat()
    assert (beat.body.epochs, beat.body.tags, beat.head.epoch) == (5, {"x": "1"}, 1)


def test_a_second_start_for_another_job_ends_the_first(training):
    training.run("agent.start('a'); agent.beat(1); agent.start('b'); agent.beat(2)")
    first, second = training.beats()
    assert (first.body.job, first.head.state, first.head.epoch) == ("a", wire.FINISHED, 1)
    assert (second.body.job, second.head.state, second.head.epoch) == ("b", wire.EXITING, 2)


def test_metrics_are_in_the_body(training):
    training.run("agent.beat(1, accuracy=0.5); agent.beat(2, accuracy=0.75, lr=1)")
    assert training.beat().body.metrics == {"accuracy": 0.75, "lr": 1.0}


def test_finish_ends_the_run_with_a_note(training):
    training.run("agent.beat(1); agent.finish('as good as it gets'); agent.finish('again')")
    beat = training.beat()
    assert (beat.head.state, beat.body.reason) == (wire.FINISHED, "as good as it gets")


def test_fail_ends_the_run_with_a_reason(training):
    assert training.run("agent.fail('no data')").returncode == 0
    beat = training.beat()
    assert (beat.head.state, beat.body.reason) == (wire.FAILED, "no data")


def test_fail_takes_an_exception(training):
    training.run("try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    agent.fail(error)")
    beat = training.beat()
    assert (beat.head.state, beat.body.exception) == (wire.FAILED, "ZeroDivisionError: division by zero")
    assert "1 / 0" in beat.body.traceback


def test_finish_without_a_run_is_nothing(training):
    assert training.run("agent.finish()").stderr == ""
    assert training.beats() == []


def test_many_runs_in_a_row_leave_nothing_open(training):
    done = training.run("""
        import os
        for n in range(100):
            agent.start(f"fold {n}")
            agent.beat(n)
        print(len(os.listdir("/dev/fd")))
        agent.finish()
    """)
    assert int(done.stdout) < 20
    assert [beat.head.state for beat in training.beats()] == [wire.FINISHED] * 100


def test_a_beat_after_the_end_begins_another_run_of_the_job(training):
    training.run("agent.start('a', epochs=1); agent.beat(1); agent.finish(); agent.beat(5)")
    first, second = sorted(training.beats(), key=lambda beat: beat.head.epoch)
    assert (first.body.job, first.head.state) == (second.body.job, wire.FINISHED) == ("a", wire.FINISHED)
    assert (second.head.state, second.head.epoch) == (wire.EXITING, 5)
    assert first.body.run != second.body.run


def test_a_phase_is_announced_and_ends(training):
    process = training.start("""
        agent.beat(1)
        with agent.phase("checkpoint", within="1h30m"):
            print("in", flush=True); input()
        print("out", flush=True); input()
    """)
    assert process.stdout.readline() == "in\n"
    head = training.beat().head
    assert (head.phase, head.within_s) == ("checkpoint", 5400)
    assert head.phase_time_ns > 0
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "out\n"
    head = training.beat().head
    assert (head.phase, head.within_s) == (None, None)


def test_the_outer_phase_returns_after_an_inner_one_that_failed(training):
    process = training.start("""
        with agent.phase("eval", 60):
            try:
                with agent.phase("평가" * 30):
                    raise KeyError
            except KeyError:
                print("caught", flush=True)
            input()
    """)
    assert process.stdout.readline() == "caught\n"
    head = training.beat().head
    assert (head.phase, head.within_s) == ("eval", 60)


def test_several_runs_in_one_process(training):
    training.run("""
        with agent.run("a", epochs=2) as a, agent.run("b") as b:
            a.beat(1)
            b.beat(7)
            a.beat(2)
    """)
    a, b = training.beats()
    assert (a.body.job, a.head.epoch, a.head.state, a.body.epochs) == ("a", 2, wire.FINISHED, 2)
    assert (b.body.job, b.head.epoch, b.head.state) == ("b", 7, wire.FINISHED)


def test_within_a_run_the_modules_calls_speak_of_it_in_every_thread(training):
    training.run("""
        import threading
        with agent.run("fold"):
            agent.beat(1)
            thread = threading.Thread(target=agent.beat, args=(2,))
            thread.start()
            thread.join()
    """)
    beat = training.beat()
    assert (beat.body.job, beat.head.epoch, beat.head.seq) == ("fold", 2, 2)


def test_an_exception_fails_the_run_and_goes_on(training):
    done = training.run("""
        try:
            with agent.run("a"):
                raise OSError("no such file")
        except OSError:
            print("caught")
    """)
    assert done.stdout == "caught\n"
    beat = training.beat()
    assert (beat.head.state, beat.body.exception) == (wire.FAILED, "OSError: no such file")


@pytest.mark.parametrize("decorator", ["@agent.watched", "@agent.watched()"])
def test_a_watched_function_finishes_with_what_it_returns(training, decorator):
    training.run(f"""
{decorator}
def train(n):
    '''doc'''
    agent.beat(n)
    return {{"accuracy": 0.5}}
assert train(3) == {{"accuracy": 0.5}} and train.__doc__ == "doc"
""")
    beat = training.beat()
    assert (beat.head.state, beat.head.epoch, beat.body.reason) == (wire.FINISHED, 3, "{'accuracy': 0.5}")


def test_watched_coroutines_are_runs_of_their_own(training):
    done = training.run("""
        import asyncio
        def train_as(job):
            @agent.watched(job, epochs=2)
            async def train():
                for epoch in (1, 2):
                    agent.beat(epoch)
                    await asyncio.sleep(0)
                if job == "b":
                    raise ValueError("bad")
            return train()
        async def both():
            return await asyncio.gather(train_as("a"), train_as("b"), return_exceptions=True)
        print(asyncio.run(both()))
    """)
    assert done.stdout == "[None, ValueError('bad')]\n"
    a, b = training.beats()
    assert (a.head.epoch, a.head.seq, a.head.state) == (2, 2, wire.FINISHED)
    assert (b.head.epoch, b.head.seq, b.head.state, b.body.exception) == (2, 2, wire.FAILED, "ValueError: bad")


def test_epochwatch_beat_is_the_same_call(training):
    done = training.run("import epochwatch as e; e.beat(1); assert e.beat is agent.beat is e.agent.beat")
    assert (done.returncode, training.beat().head.epoch) == (0, 1)


@pytest.mark.parametrize("call", ["start(epoch=3)", "beat(1, 2, 3)", "phase()", "run('a', lr=1)", "finish(1, 2)"])
def test_a_wrong_call_is_a_normal_error(training, call):
    done = training.run(f"agent.{call}")
    assert done.returncode == 1
    assert "TypeError" in done.stderr


@pytest.mark.parametrize(
    ("job", "file"),
    [
        ("a/b c", "a_b_c"),
        ("../../etc", "_._.._etc"),
        ("학습 1호", "학습_1호"),
        ("n" * 300, "n" * 180),
        ("한" * 300, "한" * 60),
        ("line\nbreak\0", "line_break_"),
    ],
)
def test_odd_job_names(training, job, file):
    training.run(f"agent.start({job!r}); agent.beat(1)")
    beat = training.beat()
    (path,) = training.folder.iterdir()
    assert path.name == f"{file}.{beat.body.run}.beat"
    assert beat.body.job == job.replace("\n", " ").replace("\0", "\ufffd")


def test_the_job_of_a_module_is_the_modules_name(training, tmp_path):
    (tmp_path / "scripts" / "pkg").mkdir()
    (tmp_path / "scripts" / "pkg" / "mod.py").write_text("from epochwatch import agent\nagent.beat()\n")
    training.run(f"""
        import subprocess, sys
        subprocess.check_call([sys.executable, "-m", "pkg.mod"], cwd={str(tmp_path / "scripts")!r})
        subprocess.check_call([sys.executable, "-c", "from epochwatch import agent; agent.beat()"])
    """)
    assert [beat.body.job for beat in training.beats()] == ["pkg.mod", "python"]


def test_the_job_of_a_worker_of_joblib_is_its_parents_script(training, tmp_path):
    """The module stands in for that by which joblib's loky starts a worker; like it, it takes its parent's argv."""
    backend = tmp_path / "scripts" / "loky" / "backend"
    backend.mkdir(parents=True)
    (backend / "popen.py").write_text(
        "import sys; sys.argv = ['/home/jin/lenet.py']; from epochwatch import agent; agent.beat()"
    )
    training.run(f"""
        import subprocess, sys
        subprocess.check_call([sys.executable, "-m", "loky.backend.popen"], cwd={str(tmp_path / "scripts")!r})
    """)
    assert training.beat().body.job == "lenet"


def test_epochwatch_run_names_the_first_run_of_each_process(training):
    process = training.start(
        "agent.beat(1)\nwith agent.run('fold'):\n    pass", EPOCHWATCH_RUN="0123456789ab", EPOCHWATCH_JOB="wrapped"
    )
    process.wait(60)
    fold, wrapped = training.beats()
    assert (wrapped.body.job, wrapped.body.run) == ("wrapped", "0123456789ab")
    assert fold.body.run != wrapped.body.run
    assert (training.folder / f"wrapped.0123456789ab-{process.pid}.beat").exists()


def test_importing_loads_nothing_but_the_standard_library_and_hardly_that(training):
    done = training.run("""
        import json, subprocess, sys
        code = "import sys; before = set(sys.modules); import {}; print(*sorted(set(sys.modules) - before))"
        loaded = [subprocess.check_output([sys.executable, "-c", code.format(name)], text=True).split()
                  for name in ("epochwatch", "epochwatch.agent")]
        print(json.dumps(loaded))
    """)
    bare, agent = json.loads(done.stdout)
    assert {name.partition(".")[0] for name in bare} <= {"epochwatch", "typing", *sys.builtin_module_names} | set(agent)
    assert not {"epochwatch.wire", "json", "socket"} & set(bare)
    assert not {"socket", "asyncio", "logging", "threading", "traceback", "inspect", "multiprocessing"} & set(agent)
    assert not {"numpy", "torch", "epochwatchd"} & set(agent)


def test_a_checkpoint_is_told_with_its_path_and_time(training):
    training.run(
        "import pathlib, time; agent.beat(1); agent.checkpoint(pathlib.Path('runs/ckpt-1.pt')); print(time.time())"
    )
    body = training.beat().body
    assert (body.checkpoint, abs(body.checkpoint_ns / 1e9 - time.time()) < 60.0) == ("runs/ckpt-1.pt", True)


@pytest.mark.parametrize("path", ["None", "''", "object()", "'x' * 10**6", "b'\\xff'", "'\\ud800'"])
def test_whatever_is_called_a_path_the_training_goes_on(training, path):
    done = training.run(f"agent.checkpoint({path}); agent.beat(7)", EPOCHWATCH_DEBUG=None)
    assert (done.returncode, training.beat().head.epoch) == (0, 7)


def test_a_forked_child_has_saved_nothing_itself(training):
    training.run(
        """
        import os
        agent.beat(1)
        agent.checkpoint("a")
        if os.fork() == 0:
            agent.beat(2)
            os._exit(0)
        os.wait()
        """
    )
    told = {beat.head.epoch: beat.body.checkpoint for beat in training.beats()}
    assert told == {1: "a", 2: None}


WISHES = "res*:\n  silent_after: 15m\n  tags: {team: vision}\n"


@pytest.mark.parametrize(
    ("call", "tags"),
    [
        ("agent.beat(1)", {"team": "vision"}),
        ("agent.start('resnet', tags={'lr': 1}); agent.beat(1)", {"team": "vision", "lr": "1"}),
    ],
)
def test_what_its_user_wishes_for_the_job_goes_with_the_heartbeat(training, tmp_path, call, tags):
    (tmp_path / "jobs.yaml").write_text(WISHES)
    training.run(call, EPOCHWATCH_JOB="resnet", EPOCHWATCH_JOBS=str(tmp_path / "jobs.yaml"))
    body = training.beat().body
    assert (body.silent_after_s, body.first_beat_within_s, body.tags) == (900.0, None, tags)
