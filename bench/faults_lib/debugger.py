"""A stand-in for gdb: ``debugger.py PID SECONDS`` attaches to a process, which stops it, and then lets it go."""

import ctypes
import os
import sys
import time

ATTACH, DETACH = 16, 17
_libc = ctypes.CDLL(None, use_errno=True)


def ptrace(request: int, pid: int) -> None:
    """Raises OSError where the kernel refuses."""
    if _libc.ptrace(ctypes.c_long(request), ctypes.c_int(pid), None, None) == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    pid, seconds = int(sys.argv[1]), float(sys.argv[2])
    ptrace(ATTACH, pid)
    os.waitpid(pid, 0)
    time.sleep(seconds)
    ptrace(DETACH, pid)
