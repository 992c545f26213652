"""The rows in which a training dies."""

import signal

from faults_lib.acts import die_unseen_and_be_replaced, send, sibling_then_kill
from faults_lib.case import Case, Told
from faults_lib.surroundings import little_memory, namespaces, open_to_all

JOIN = "import os; open(os.environ['PLACE'] + '/cgroup.procs', 'w').write(str(os.getpid()))"
HOARD = "hoard = []\nwhile True: hoard.append(b'x' * 2**20)"
UNREAPED = "import os, time\nif os.fork(): time.sleep(600)"
ORPHANED = "import os\nfor _ in range(2):\n    if os.fork(): os._exit(0)"
AS_NOBODY = "os.setgid(65534); os.setuid(65534); train_until_told()"
CONTAINED = """
import os, sys
if "contained" not in os.environ:
    os.environ["contained"] = "1"
    container = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    os.execvp("unshare", [*container, "sh", "-c", '"$@"; exit $?', "sh", sys.executable, *sys.orig_argv[1:]])
"""


def crashed(*codes: str) -> tuple[Told, ...]:
    """One message of a crash, for any of these causes."""
    return (Told("crashed", frozenset(codes)),)


DEATHS = (
    Case("SIGKILL", crashed("signal"), act=send(signal.SIGKILL), says="SIGKILL"),
    Case("SIGTERM", crashed("terminated"), act=send(signal.SIGTERM), says="SIGTERM"),
    Case("SIGSEGV", crashed("signal"), "import ctypes; ctypes.string_at(0)", says="SIGSEGV"),
    Case("SIGABRT", crashed("signal"), "os.abort()", says="SIGABRT"),
    Case("SIGBUS", crashed("signal"), act=send(signal.SIGBUS), says="SIGBUS"),
    Case("out of memory in its cgroup", crashed("oom_kill"), HOARD, before=JOIN, within=little_memory),
    Case("killed by hand after a sibling's OOM", crashed("signal"), before=JOIN, within=little_memory,
         act=sibling_then_kill),
    Case("uncaught exception", crashed("exception"), "raise RuntimeError('bad batch')", says="RuntimeError: bad batch"),
    Case("sys.exit(1)", crashed("exit_code"), "sys.exit(1)", says="status 1"),
    Case("os._exit(0) in mid-run", crashed("exit_code"), "os._exit(0)", says="os._exit"),
    Case("parent that never reaps", crashed("signal"), before=UNREAPED, act=send(signal.SIGKILL)),
    Case("PID reused while the watchdog was down", crashed("unknown"), act=die_unseen_and_be_replaced,
         own_watchdog=True),
    Case("double fork", crashed("signal"), before=ORPHANED, act=send(signal.SIGKILL)),
    Case("another user's process", crashed("signal"), act=send(signal.SIGKILL), begins=AS_NOBODY, within=open_to_all,
         says="SIGKILL"),
    Case("in a container's pid namespace", crashed("signal"), "os.kill(os.getpid(), signal.SIGKILL)", before=CONTAINED,
         within=namespaces, says="SIGKILL"),
    Case("exec of a program that fails", crashed("exit_code"), "os.execv('/bin/sh', ['sh', '-c', 'sleep 0.5; exit 5'])",
         says="status 5"),
)  # fmt: skip
