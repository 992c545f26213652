"""The examples in other languages, compiled and run under a daemon; tests/system-packages.sh gets the compilers."""

import shutil
from pathlib import Path

import pytest
from harness import Daemon

HERE = Path(__file__).parents[2] / "examples/languages"
BUILDS = {
    "c": ["gcc", "-std=gnu99", "-Wall", "-Wextra", "-Werror", "-o", "train", HERE / "train.c"],
    "c++": ["g++", "-x", "c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-o", "train", HERE / "train.c"],
    "go": ["go", "build", "-o", "train", HERE / "train.go"],
    "rust": ["rustc", "-D", "warnings", "-o", "train", HERE / "train.rs"],
    "bash": ["cp", HERE / "train.bash", "train"],
}


@pytest.fixture
def train():
    """Builds an example and runs it under a daemon; gives the messages of how it ended."""
    with Daemon({"heartbeats": {"udp": "127.0.0.1:0"}}) as daemon:
        address = next(
            line.split("datagrams on ", 1)[1].split(";")[0] for line in daemon.log if "datagrams on 1" in line
        )

        def run(language, *arguments):
            build = BUILDS[language]
            if not shutil.which(build[0]):
                pytest.skip(f"there is no {build[0]} here")
            options = {
                "cwd": daemon.folder,
                "env": {**daemon.env, "EPOCHWATCH_UDP": address, "GOCACHE": str(daemon.folder)},
            }
            built = daemon.run(*build, **options, timeout=150)
            assert built.returncode == 0, built.stderr
            done = daemon.run(daemon.folder / "train", *arguments, **options)
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
            message = daemon.wait_for()
            daemon.settle()
            assert len(daemon.about(job=message["job"])) == 1
            return message

        yield run


@pytest.mark.parametrize("language", BUILDS)
def test_a_training_is_told_when_it_has_finished(train, language):
    told = train(language)
    assert (told["job"], told["kind"], told["cause"]) == (f"train-in-{language.rstrip('+')}", "finished", None)
    assert (told["progress"]["epoch_shown"], told["progress"]["epochs"], told["progress"]["fraction"]) == (5, 5, 1.0)
    assert told["verified"] is (language != "bash")


@pytest.mark.parametrize("language", BUILDS)
def test_its_failure_is_told_with_its_words(train, language):
    told = train(language, "fail")
    assert (told["kind"], told["cause"]["code"]) == ("crashed", "reported")
    assert 'a "bad" batch' in told["text"]
