"""Real servers that a test starts and ends: each has its own folder and ports, and goes with the test."""

import contextlib
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import closing

import pytest

DEADLINE_S = 30.0


def needs(*programs):
    """Skip the test where one of these is not installed."""
    for program in programs:
        if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin") is None:
            pytest.skip(f"{program} is not installed: tests/system-packages.sh --servers installs it where root may")


def free_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


@contextlib.contextmanager
def running(*line, **more):
    """A process, from here to the end of the block."""
    with subprocess.Popen([*map(str, line)], stdin=subprocess.DEVNULL, **more) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()


def until(condition, what):
    """Wait for something that another program does; its value."""
    ends_at = time.monotonic() + DEADLINE_S
    while time.monotonic() < ends_at:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {DEADLINE_S:g} s")


def answers(url):
    """Whether a server says 200 there."""
    try:
        with urllib.request.urlopen(url, timeout=5.0) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def listens(port):
    """Whether somebody accepts connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), 1.0).close()
    except OSError:
        return False
    return True
