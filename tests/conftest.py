"""For all tests, on every Python."""

import os
import signal


def pytest_configure():
    """Have signals do what they do by default: a shell that runs tests in the background makes them ignore some."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):  # commands speak the terminal's language
        os.environ.pop(name, None)
    os.environ["LANG"] = "C.UTF-8"


def pytest_xdist_auto_num_workers():
    """Twice as many as there are processors: most tests of this project wait, for processes and for the kernel."""
    return 2 * (os.cpu_count() or 1)
