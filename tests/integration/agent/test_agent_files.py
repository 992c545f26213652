"""Whatever happens to the heartbeat file: the training goes on, and the beats find a place or nobody misses them."""

from __future__ import annotations

import contextlib
import os
import resource
import stat
import subprocess
import tempfile
from itertools import count
from pathlib import Path

import pytest

from epochwatch import wire
from epochwatch.run import Run

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a file system, or become somebody else")


@pytest.fixture
def run(folder, tmp_path, monkeypatch):
    """A run in this process."""
    monkeypatch.setenv("EPOCHWATCH_DIR", str(folder))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.delenv("EPOCHWATCH_RUN", raising=False)
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
    epochs = count(2)

    def is_back():
        run.beat(next(epochs))
        return list(folder.glob("*.beat"))

    training.until(is_back, "the file is back")
    assert training.beat().head.epoch == next(epochs) - 1


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


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_everybody_may_read_the_file_whatever_the_umask(training, folder, umask):
    training.run(f"import os\nos.umask({umask})\nagent.beat(1)")
    assert stat.S_IMODE(path_of(folder).stat().st_mode) == 0o644


def test_in_a_folder_with_a_group_only_the_group_may(training, folder):
    folder.chmod(0o2770)
    training.run("agent.beat(1)")
    assert stat.S_IMODE(path_of(folder).stat().st_mode) == 0o640


def test_no_half_written_file_is_ever_seen_and_nothing_is_left_over(training, folder):
    training.run("agent.beat(1)\nagent.finish()")
    assert [path.suffix for path in folder.iterdir()] == [".beat"]


def test_a_missing_folder_is_made(training, tmp_path):
    training.run("agent.beat(1)", EPOCHWATCH_DIR=str(tmp_path / "new"))
    assert len(training.beats(tmp_path / "new")) == 1


NEXT = [Path("/run/epochwatch")]
"""Where the beats go that find no place in $EPOCHWATCH_DIR, if there is a daemon; else into a folder below $TMPDIR."""


def elsewhere(training, folder):
    """The heartbeats of the job ``lost``, in all places but the first."""
    places = [*NEXT, folder / f"epochwatch-{os.getuid()}"]
    found = [(path, beat) for place in places for path, beat in training.files(place) if beat.body.job == JOB]
    for path, _ in found:
        path.unlink()
    return [beat for _, beat in found]


JOB = f"lost-{os.getpid()}-{os.urandom(4).hex()}"


def test_where_no_folder_can_be_made_the_next_is_taken(training, tmp_path):
    done = training.run(
        f"agent.start({JOB!r}); agent.beat(1)", EPOCHWATCH_DIR=str(tmp_path / "no" / "such"), TMPDIR=str(tmp_path)
    )
    (beat,) = elsewhere(training, tmp_path)
    assert (done.stderr, beat.head.epoch) == ("", 1)


def test_the_users_runtime_folder_comes_before_the_temporary_one(training, tmp_path):
    if NEXT[0].is_dir():
        pytest.skip("this machine has /run/epochwatch, which comes first")
    training.run("agent.beat(1)", EPOCHWATCH_DIR=None, XDG_RUNTIME_DIR=str(tmp_path))
    assert len(training.beats(tmp_path / "epochwatch")) == 1


AS_SOMEBODY = """
import fcntl, logging, os, resource  # the interpreter's own files may be root's
os.setgroups([])
os.setgid(12345)
os.setuid(12345)
"""


@pytest.fixture
def public():
    """A folder for everybody, with one in it that only root may write. (The tests' own are hidden from others.)"""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        os.chmod(place, 0o1777)
        os.mkdir(os.path.join(place, "roots"), 0o755)
        yield Path(place)


@as_root
def test_a_folder_that_may_not_be_written_is_passed_over(training, public):
    done = training.run(
        AS_SOMEBODY + f"agent.start({JOB!r}); agent.beat(1)", EPOCHWATCH_DIR=str(public / "roots"), TMPDIR=str(public)
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert training.beats(public / "roots") == []
    places = [*NEXT, public / "epochwatch-12345"]
    found = [path for place in places for path, beat in training.files(place) if beat.body.job == JOB]
    assert len(found) == 1
    found[0].unlink()


@as_root
def test_a_name_that_a_neighbour_has_taken_is_left_to_him_and_the_place_is_used(training, public):
    everybodys = public / "everybodys"
    everybodys.mkdir()
    everybodys.chmod(0o1777)
    taken = everybodys / "a.beat"
    taken.write_bytes(b"mine")
    named = f"from epochwatch import transport; transport.file_name = lambda *_, **__: {taken.name!r}\n"
    done = training.run(
        AS_SOMEBODY + named + "agent.start('a'); agent.beat(1); agent.beat(2)",
        EPOCHWATCH_DIR=str(everybodys),
        TMPDIR=str(public),
    )
    assert (done.returncode, done.stderr, taken.read_bytes()) == (0, "", b"mine")
    taken.unlink()
    assert [beat.head.epoch for beat in training.beats(everybodys)] == [2.0]


@as_root
def test_with_no_place_at_all_it_does_nothing_and_says_so_once(training, public):
    if NEXT[0].is_dir():
        pytest.skip("this machine has /run/epochwatch, where everybody may write")
    roots = str(public / "roots")
    done = training.run(
        AS_SOMEBODY + "for epoch in range(1000):\n    agent.beat(epoch)", EPOCHWATCH_DIR=roots, TMPDIR=roots
    )
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert "PermissionError" in done.stderr


@pytest.mark.parametrize("trap", ["link", "file"])
def test_a_temporary_folder_that_is_not_what_it_seems_is_refused(training, tmp_path, trap):
    if NEXT[0].is_dir():
        pytest.skip("this machine has /run/epochwatch, which comes first")
    elsewhere_ = tmp_path / "elsewhere"
    elsewhere_.mkdir()
    place = tmp_path / f"epochwatch-{os.getuid()}"
    place.symlink_to(elsewhere_) if trap == "link" else place.write_text("")
    done = training.run("agent.beat(1)", EPOCHWATCH_DIR=None, TMPDIR=str(tmp_path))
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert list(elsewhere_.iterdir()) == []


@as_root
def test_a_temporary_folder_of_somebody_else_is_refused(training, tmp_path):
    if NEXT[0].is_dir():
        pytest.skip("this machine has /run/epochwatch, which comes first")
    place = tmp_path / f"epochwatch-{os.getuid()}"
    place.mkdir()
    os.chown(place, 12345, 12345)
    done = training.run("agent.beat(1)", EPOCHWATCH_DIR=None, TMPDIR=str(tmp_path))
    assert (done.returncode, list(place.iterdir())) == (0, [])
    assert "is not a folder of ours" in done.stderr


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of one page for data."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k,mode=755", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


@as_root
def test_on_a_disk_that_was_full_before_the_next_place_is_taken(training, tmp_path, tiny_disk):
    with (tiny_disk / "filler").open("wb") as filler, contextlib.suppress(OSError):
        filler.write(b"x" * 65536)
    done = training.run(f"agent.start({JOB!r}); agent.beat(1)", EPOCHWATCH_DIR=str(tiny_disk), TMPDIR=str(tmp_path))
    (beat,) = elsewhere(training, tmp_path)
    assert (done.stderr, beat.head.epoch) == ("", 1)
    assert [path.name for path in tiny_disk.iterdir()] == ["filler"]


@as_root
def test_a_disk_that_fills_up_costs_words_but_no_beat(training, tiny_disk):
    done = training.run(
        f"""
        agent.beat(1)
        with open({str(tiny_disk / "filler")!r}, "wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 512):
                    pass
            except OSError:
                pass
        for epoch in range(2, 200):
            agent.beat(epoch, 0.5, accuracy=epoch)
        raise ValueError("bad")
        """,
        EPOCHWATCH_DIR=str(tiny_disk),
    )
    assert (done.returncode, done.stderr.count("Traceback")) == (1, 1)
    (beat,) = training.beats(tiny_disk)
    assert (beat.head.epoch, beat.head.state) == (199, wire.FAILED)


def test_a_limit_on_the_size_of_files_is_no_harm(training):
    done = training.run("""
        import resource
        agent.start("a")
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))  # SIGXFSZ is ignored by Python
        for epoch in range(100):
            agent.beat(epoch)
        print("on")
    """)
    assert (done.returncode, done.stdout) == (0, "on\n")
    assert len(done.stderr.splitlines()) <= 1
