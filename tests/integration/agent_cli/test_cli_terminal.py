"""``epochwatch run`` on a terminal: programs keep it."""

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import textwrap

import pytest

DEADLINE_S = 30


class Terminal:
    """A terminal with a command in its foreground."""

    def __init__(self, command, environment):
        self.pid, self._screen = pty.fork()
        if not self.pid:
            os.execve(command[0], command, environment)
        self.shown = b""

    def type(self, text):
        os.write(self._screen, text)

    def resize(self, rows, columns):
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, text):
        while text not in self.shown:
            ready, _, _ = select.select([self._screen], [], [], DEADLINE_S)
            assert ready, f"still nothing like {text} in {self.shown}"
            self.shown += os.read(self._screen, 65536)

    def status(self):
        with contextlib.suppress(OSError):  # EIO: the end of a terminal
            while data := os.read(self._screen, 65536):
                self.shown += data
        _, status = os.waitpid(self.pid, 0)
        return status

    def close(self):
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._screen)


@pytest.fixture
def open_terminal(environment):
    with contextlib.ExitStack() as stack:

        def run(*command):
            opened = Terminal(command, environment)
            stack.callback(opened.close)
            return opened

        yield run


@pytest.fixture
def terminal(open_terminal):
    """Start ``epochwatch run -- COMMAND`` on a terminal."""
    return lambda *command: open_terminal(sys.executable, "-m", "epochwatch", "run", "--", *command)


@pytest.fixture
def shell(open_terminal):
    """Start ``epochwatch run -- COMMAND`` on a terminal from a shell; once it has stopped, Enter brings it back."""
    script = 'set -m; "$@"; echo the shell again; read -r _; fg'
    line = (sys.executable, "-m", "epochwatch", "run", "--")
    return lambda *command: open_terminal("/bin/bash", "-c", script, "bash", *line, *command)


def python(code):
    return sys.executable, "-u", "-c", textwrap.dedent(code)


def test_the_command_sees_terminals(terminal):
    screen = terminal(*python("import os; print([os.isatty(n) for n in range(3)])"))
    assert screen.status() == 0
    assert screen.shown == b"[True, True, True]\r\n"


def test_output_is_shown_exactly_as_without_us(terminal):
    screen = terminal("printf", r"one\ntwo\r\n\033[31mred\033[0m\tx\n")
    screen.status()
    assert screen.shown == b"one\r\ntwo\r\r\n\x1b[31mred\x1b[0m\tx\r\n"


def test_the_window_size_is_known_and_followed(terminal):
    screen = terminal(
        *python("""
            import os, signal
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
            print("ready")
            while os.get_terminal_size(1).columns != 111:
                signal.sigwait({signal.SIGWINCH})
            print(os.get_terminal_size(1))
        """)
    )
    screen.until(b"ready")
    screen.resize(33, 111)
    screen.until(b"columns=111, lines=33")
    assert screen.status() == 0


def test_a_line_can_be_typed(terminal):
    screen = terminal(*python("print('hello', input('name? '))"))
    screen.until(b"name? ")
    screen.type(b"mina\n")
    assert screen.status() == 0
    assert b"hello mina" in screen.shown


def test_an_interrupt_key_interrupts_once(terminal):
    screen = terminal(
        *python("""
            import signal, time
            def interrupted(*_):
                global times
                times += 1
            times = 0
            signal.signal(signal.SIGINT, interrupted)
            print("ready")
            input()
            print("interrupted", times)
        """)
    )
    screen.until(b"ready")
    screen.type(b"\x03")
    screen.until(b"^C")
    screen.type(b"\n")
    screen.until(b"interrupted 1")
    assert screen.status() == 0


def test_an_interrupt_key_ends_a_command_that_does_not_catch_it(terminal):
    screen = terminal("sh", "-c", "echo ready; exec sleep 300")
    screen.until(b"ready")
    screen.type(b"\x03")
    assert os.WTERMSIG(screen.status()) == signal.SIGINT


def test_a_stop_key_gives_the_shell_its_prompt_and_fg_goes_on(shell):
    screen = shell("cat")
    screen.type(b"one\n")
    screen.until(b"one\r\none\r\n")
    screen.type(b"\x1a")
    screen.until(b"the shell again")
    screen.type(b"\n")
    screen.type(b"two\n")
    screen.until(b'"$@"\r\ntwo\r\n')
    screen.type(b"\x04")
    assert screen.status() == 0
