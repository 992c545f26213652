"""What lies on the machines of these tests, and a watchdog that runs there."""

import sys
import sysconfig
from pathlib import Path

from harness import eventually

PROJECT = Path(__file__).parents[3]
TRAINING = """
import os, signal
from epochwatch import agent
signal.signal(signal.SIGUSR1, lambda *_: os._exit(3))
agent.beat(3, 0.25)
signal.pause()
"""
SEND = """
import socket, sys
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(sys.argv[1].encode(), sys.argv[2])
"""
CONFIG = """
heartbeats: {udp: "off"}
channels: {hook: {kind: webhook, url_file: hook-url}}
routes: [{to: hook}]
"""
HOME = "/home/mina"
DROP_IN = "/etc/systemd/system/epochwatchd.service.d/credentials.conf"
INSTALLED = {
    "epochwatch.sysusers": "/etc/sysusers.d/epochwatch.conf",
    "epochwatch.tmpfiles": "/etc/tmpfiles.d/epochwatch.conf",
    "epochwatchd.service": "/etc/systemd/system/epochwatchd.service",
}
# What `pip install` of the wheel would put into the environment, from the packages these tests run with.
SHOWN = {
    sys.base_prefix: "/opt/python",
    sysconfig.get_path("purelib"): "/opt/packages",
    PROJECT / "agent": "/opt/agent",
    PROJECT / "watchdog": "/opt/watchdog",
    PROJECT / "systemd": "/opt/systemd",
}
PATHS = "/opt/agent\n/opt/watchdog\n/opt/packages\n"
COMMAND = "#!/opt/epochwatch/bin/python\nimport sys\nfrom epochwatchd.cli import main\nsys.exit(main())\n"


class Service:
    """A watchdog on a machine, and its webhook. ``messages`` are what came there, oldest first.

    ``systemctl`` is the command that rules it, as ``user``; its drop-ins lie in ``units``; ``socket`` takes beats.
    """

    def __init__(
        self,
        machine,
        messages,
        *,
        systemctl=("systemctl",),
        user="root",
        units="/etc/systemd/system",
        socket="/run/epochwatchd/beats",
    ):
        self.machine = machine
        self.messages = messages
        self.socket = socket
        self._units = units
        self._systemctl = systemctl
        self._user = user

    def drop_in(self, text):
        """From now on the unit has these lines, too."""
        path = f"{self._units}/epochwatchd.service.d/impatient.conf"
        self.machine.write(path, f"[Service]\n{text}\n", user=self._user)
        self.control("daemon-reload")

    def send(self, said):
        """A datagram of mina to its socket."""
        self.machine.run("/opt/epochwatch/bin/python", "-c", SEND, said, self.socket, user="mina")

    def control(self, *arguments):
        """What ``systemctl ARGUMENTS`` prints."""
        return self.machine.run(*self._systemctl, *arguments, user=self._user)

    def says(self, name):
        """A property of the unit."""
        return self.control("show", "--value", f"--property={name}", "epochwatchd")

    def journal(self):
        """What the watchdog wrote, and what systemd wrote about it."""
        return self.machine.run("journalctl", "--output=cat", "UNIT=epochwatchd.service", "+", "_COMM=epochwatchd")

    def signal(self, name):
        """Send a signal to the watchdog alone."""
        self.control("kill", "--kill-whom=main", f"--signal={name}", "epochwatchd")

    def wait_until_restarted(self, before):
        """Wait until another process than ``before`` is the watchdog, and ready."""
        eventually(lambda: self.says("MainPID") not in ("0", before) and self.says("ActiveState") == "active")

    def train(self, job):
        """Start a training as mina; gives the message of its start, by when the watchdog knows it."""
        self.machine.start("env", f"EPOCHWATCH_JOB={job}", "/opt/epochwatch/bin/python", "-c", TRAINING, user="mina")
        return self.wait_for(job=job, kind="started")

    def kill(self, training):
        """End a training as the kernel does when memory is out."""
        self.machine.run("kill", "-KILL", str(training["pid"]))

    def wait_for(self, **fields):
        """The first message, old or new, with these fields."""
        return eventually(lambda: next(iter(self.about(**fields)), None))

    def about(self, **fields):
        """The messages so far with these fields."""
        return [message for message in list(self.messages) if fields.items() <= message.items()]
