"""A machine of its own for a test: a real systemd as process 1 of fresh namespaces, see ``boot.sh``."""

import contextlib
import ctypes
import os
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from harness import DEADLINE_S, eventually

NAMESPACES = ("--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup")
PROGRAMS = ("systemd", "dbus-daemon", "ip", "unshare", "nsenter", "setpriv", "useradd")
_CLONE_NEWNET = 0x40000000
_WRITE = 'mkdir -p "${0%/*}"; cat > "$0"; chmod "$1" "$0"'


class Machine:
    """A machine from ``with`` to the end of the block, on which ``shown`` folders (source to target) are to be seen.

    ``root`` is its file system as seen from here: for plain files, since absolute links in it lead out of it.
    """

    def __init__(self, shown):
        self._shown = shown

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._started = stack.enter_context(contextlib.ExitStack())  # waited for when the machine is gone
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="machine-"))
            self._power = stack.enter_context(_powered(folder, self._shown))
            self._wait_until_up(before=None)
            self._stack = stack.pop_all()
        return self

    def _wait_until_up(self, *, before):
        self._init = eventually(lambda: _init_of(self._power, before))
        self.root = Path(f"/proc/{self._init}/root")
        self.run("systemctl", "is-system-running", "--wait", check=False)  # "degraded" is good enough

    def reboot(self):
        """Shut it down in order, and wait until it is up again: with its files, but another network and empty /run."""
        before = self._init
        self.run("systemctl", "reboot", "--no-block")
        self._wait_until_up(before=before)

    def __exit__(self, *_):
        self._stack.close()

    def write(self, path, text, *, mode="644", user="root"):
        """Make a file on the machine."""
        self.run("sh", "-ec", _WRITE, path, mode, user=user, said=text)

    def run(self, *line, user="root", said="", check=True, patience=DEADLINE_S):
        """What a command on the machine prints when ``said`` is its input; with ``check`` it must succeed."""
        command = self._inside(user, line)
        done = subprocess.run(command, input=said, capture_output=True, text=True, timeout=patience, check=False)
        assert not check or done.returncode == 0, f"{line} left with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def start(self, *line, user="root"):
        """Start a command on the machine; it is reaped as soon as it ends, and ends at the latest with the machine."""
        self._started.enter_context(subprocess.Popen(self._inside(user, line), stdin=subprocess.DEVNULL))

    def _inside(self, user, line):
        enter = ["nsenter", f"--target={self._init}", "--all", "--root", "--wd", "--"]
        return [*enter, "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--reset-env", "--", *line]

    def in_its_network(self, call):
        """What ``call()`` gives when it is made in the machine's network: a socket made there stays there."""
        with ThreadPoolExecutor(1, initializer=self._enter_network) as thread:
            return thread.submit(call).result()

    def _enter_network(self):
        libc = ctypes.CDLL(None, use_errno=True)
        with Path(f"/proc/{self._init}/ns/net").open() as network:
            if libc.setns(network.fileno(), _CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")


def why_not():
    """Why no machine can be booted here; None if one can."""
    if os.geteuid() != 0:
        return "only root can boot a systemd in namespaces"
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        return f"{', '.join(missing)} missing: install the packages in apt-packages.txt"
    if not os.access(_control_groups(), os.W_OK):
        return "control groups of version 2 cannot be made here"
    with tempfile.TemporaryDirectory() as folder:
        line = ["unshare", "--fork", *NAMESPACES, "sh", "-ec", _TRIAL, folder]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    return f"no namespaces or overlays here: {done.stderr.strip()}" if done.returncode else None


_TRIAL = """mount -t tmpfs tmpfs "$0"; cd "$0"; mkdir upper work root groups
mount -t overlay -o lowerdir=/,upperdir=upper,workdir=work overlay root
mount -t cgroup2 cgroup2 groups"""


def _control_groups():
    """Where the kernel's control groups of version 2 are, beside those of version 1 or alone."""
    top = Path("/sys/fs/cgroup")
    return top / "unified" if (top / "unified").exists() else top


@contextlib.contextmanager
def _powered(folder, shown):
    """The process below which a systemd boots, and boots again when it was shut down."""
    with _control_group() as group:
        mortal = ["setpriv", "--pdeathsig=KILL"]  # should this process be killed
        disk = [*mortal, "unshare", "--mount", "--propagation=private", "sh", "-c", _POWER, folder]
        line = [*mortal, "unshare", "--fork", "--kill-child", "--propagation=private", *NAMESPACES]
        boot = ["sh", Path(__file__).with_name("boot.sh"), folder, *(f"{a}:{b}" for a, b in shown.items())]
        # Entering the group from a shell, not by preexec_fn: this process may have threads.
        enter = ["sh", "-c", 'echo $$ > "$0/cgroup.procs"; exec "$@"', group]
        with subprocess.Popen([*enter, *disk, *line, *boot], stdin=subprocess.DEVNULL) as process:
            try:
                yield process
            finally:
                process.kill()


_POWER = """mount -t tmpfs -o mode=755 tmpfs "$0"
while "$@"; [ $? -gt 128 ]; do :; done"""  # a process 1 of namespaces that calls for a reboot ends by a signal


def _init_of(power, before):
    """The systemd below, another one than ``before``, once it takes requests."""
    assert power.poll() is None, f"the machine did not boot: boot.sh left with {power.returncode}"
    for init in [init for starter in _children(power.pid) for init in _children(starter) if init != before]:
        root = Path(f"/proc/{init}")
        with contextlib.suppress(OSError):  # it has just ended
            if (root / "comm").read_text() == "systemd\n" and (root / "root/run/systemd/private").exists():
                return init
    return None


def _children(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@contextlib.contextmanager
def _control_group():
    """A new control group of version 2, removed with all below it at the end."""
    group = Path(tempfile.mkdtemp(prefix="machine-", dir=_control_groups()))
    group.chmod(0o755)  # users have groups of their own in it
    try:
        yield group
    finally:
        eventually(lambda: _removed(group))


def _removed(group):
    """Whether the group is gone; it cannot go before the last process in it."""
    folders = sorted((Path(folder) for folder, _, _ in os.walk(group)), reverse=True)
    with contextlib.suppress(OSError):  # busy: asked again
        for folder in folders:
            folder.rmdir()
    return not group.exists()
