"""Whatever happens to the heartbeat file: the training goes on, and the beats find a place or nobody misses them."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys

import pytest

from flatline.run import Run

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system, or become somebody else")
POSIX = pytest.mark.skipif(os.name != "posix", reason="modes and owners as in POSIX")


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """A run in this process."""
    monkeypatch.setenv("FLATLINE_DIR", str(folder))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("FLATLINE_RUN", raising=False)
    run = Run("a").open()
    yield run
    run.finish()


def path_of(folder):
    (path,) = folder.glob("*.beat")
    return path


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: os.truncate(path, 200),
        lambda path: (path.unlink(), path.write_bytes(b"something else")),
        lambda path: (path.unlink(), path.parent.rmdir()),
    ],
    ids=["deleted", "emptied", "cut", "replaced", "folder deleted"],
)
def test_a_file_that_was_harmed_is_made_anew(run, training, folder, harm):
    run.beat(1)
    harm(path_of(folder))
    run.finish("done")
    beat = training.beat()
    assert (beat.head.epoch, beat.body.job, beat.body.reason) == (1, "a", "done")


def test_a_harmed_file_is_made_anew_while_the_run_goes_on(run, training, folder):
    run.beat(1)
    path_of(folder).unlink()
    epoch = 1

    def is_back():
        nonlocal epoch
        run.beat(epoch := epoch + 1) if False else run.beat(epoch + 1)
        epoch += 1
        return list(folder.glob("*.beat"))

    training.until(is_back, "the file is back")
    assert training.beat().head.epoch == epoch


def test_descriptors_closed_and_reused_by_the_training_stay_its_own(training, tmp_path):
    mine = tmp_path / "mine"
    done = training.run(f"""
        import os
        agent.beat(0)
        os.closerange(3, 65536)
        files = [open({str(mine)!r}, "wb") for _ in range(50)]
        for epoch in range(100):
            agent.beat(epoch, 0.5)
        files[0].write(b"weights")
        files[0].flush()
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert mine.read_bytes() == b"weights"
    assert training.beat().head.epoch == 99


def test_a_descriptor_number_reused_for_a_file_of_the_training_is_neither_written_nor_closed(training, tmp_path):
    mine = tmp_path / "mine"
    done = training.run(f"""
        import os
        agent.beat(0)
        number = agent._latest.recorder.transport._fd
        taken = os.open({str(mine)!r}, os.O_RDWR | os.O_CREAT)
        agent._latest.recorder.transport._check_at = 0.0  # a second later
        os.dup2(taken, number)
        agent.beat(1)
        assert os.fstat(number).st_ino == os.stat({str(mine)!r}).st_ino
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert mine.read_bytes() == b""
    assert training.beat().head.epoch == 1


def test_the_descriptor_is_out_of_the_way(run):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 700:
        assert run.recorder.transport._fd >= 600


def test_few_descriptors_are_enough(training):
    done = training.run("""
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
        agent.beat(1)
    """)
    assert (done.stderr, training.beat().head.epoch) == ("", 1)


def test_no_descriptor_left_is_no_harm(training):
    done = training.run("""
        import os, resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
        taken = []
        try:
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            agent.beat(1)
        os.close(taken.pop())
        agent.finish()
    """)
    assert done.returncode == 0
    assert training.beat().head.epoch == 1


@POSIX
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_everybody_may_read_the_file_whatever_the_umask(training, folder, umask):
    training.run(f"import os\nos.umask({umask})\nagent.beat(1)")
    assert stat.S_IMODE(path_of(folder).stat().st_mode) == 0o644


@POSIX
def test_in_a_folder_with_a_group_only_the_group_may(training, folder):
    folder.chmod(0o2770)
    training.run("agent.beat(1)")
    assert stat.S_IMODE(path_of(folder).stat().st_mode) == 0o640


def test_no_half_written_file_is_ever_seen_and_nothing_is_left_over(training, folder):
    training.run("agent.beat(1)\nagent.finish()")
    assert [path.suffix for path in folder.iterdir()] == [".beat"]


def test_a_missing_folder_is_made(training, tmp_path):
    training.run("agent.beat(1)", FLATLINE_DIR=str(tmp_path / "new"))
    assert len(training.beats(tmp_path / "new")) == 1


def places_below(tmp_path):
    """Settings under which the file lands in the temporary folder, unless this machine has a daemon."""
    return {"FLATLINE_DIR": str(tmp_path / "no" / "such"), "TMPDIR": str(tmp_path)}


def fallbacks(training, tmp_path):
    import pathlib

    return [
        beat
        for folder in (pathlib.Path("/run/flatline"), tmp_path / f"flatline-{os.getuid()}")
        for beat in training.beats(folder)
        if beat.body.job == tmp_path.name
    ]


