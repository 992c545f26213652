"""A machine on which epochwatchd was installed as docs/install.md says, with a user who trains on it."""

import sys
import sysconfig
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # harness: it is not there yet where only these tests are run

from harness import Hook, eventually
from machine import Machine, why_not

PROJECT = Path(__file__).parents[3]
TRAINING = """
import os, signal
from epochwatch import agent
signal.signal(signal.SIGUSR1, lambda *_: os._exit(3))
agent.beat(3, 0.25)
signal.pause()
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


@pytest.fixture
def machine():
    """A machine with the environment of the watchdog in /opt/epochwatch, and the users mina and joon."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Machine(SHOWN) as machine:
        machine.write("/etc/ld.so.conf.d/python.conf", "/opt/python/lib\n")
        machine.run("ldconfig")
        machine.run("/opt/python/bin/python3", "-m", "venv", "--without-pip", "/opt/epochwatch")
        library = machine.run("/opt/epochwatch/bin/python", "-c", "import sysconfig as s; print(s.get_path('purelib'))")
        machine.write(f"{library}/shown.pth", PATHS)
        machine.write("/opt/epochwatch/bin/epochwatchd", COMMAND, mode="755")
        for user in ("mina", "joon"):
            machine.run("useradd", "--create-home", "--user-group", user)
        yield machine


class Service:
    """A watchdog on a machine, and its webhook. ``messages`` are what came there, oldest first.

    ``systemctl`` is the command that rules it, as ``user``.
    """

    def __init__(self, machine, messages, systemctl=("systemctl",), user="root"):
        self.machine = machine
        self.messages = messages
        self._systemctl = systemctl
        self._user = user

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


@pytest.fixture
def receiver(machine):
    """A webhook on the machine: its address, and the messages that came."""
    messages = []
    with machine.in_its_network(partial(Hook, messages.append)) as hook:
        yield hook.url, messages


@pytest.fixture
def service(machine, receiver):
    """The watchdog of the machine, installed by root and running; its webhook's address is a credential."""
    url, messages = receiver
    machine.write("/etc/epochwatch/config.yaml", CONFIG)
    machine.write("/etc/epochwatch/hook-url", url, mode="600")
    machine.write(DROP_IN, "[Service]\nLoadCredential=hook-url:/etc/epochwatch/hook-url\n")
    for source, target in INSTALLED.items():
        machine.run("install", "-D", "--mode=644", f"/opt/systemd/{source}", target)
    machine.run("systemd-sysusers")
    machine.run("systemd-tmpfiles", "--create", "epochwatch.conf")
    yield from _running(Service(machine, messages))


@pytest.fixture
def service_of_mina(machine, receiver):
    """The watchdog of a user without root; nothing of epochwatch was installed for the machine."""
    url, messages = receiver
    number = machine.run("id", "--user", "mina")
    machine.run("loginctl", "enable-linger", "mina")
    eventually((machine.root / f"run/user/{number}/systemd/private").exists)
    for name, text in {"config.yaml": CONFIG, "hook-url": url}.items():
        machine.write(f"{HOME}/.config/epochwatch/{name}", text, mode="600", user="mina")
    as_mina = partial(machine.run, user="mina")
    as_mina("mkdir", "--parents", f"{HOME}/.local/share")
    as_mina("ln", "--symbolic", "/opt/epochwatch", f"{HOME}/.local/share/epochwatch")
    unit = "systemd/user/epochwatchd.service"
    as_mina("install", "-D", "--mode=644", f"/opt/{unit}", f"{HOME}/.config/{unit}")
    systemctl = ("env", f"XDG_RUNTIME_DIR=/run/user/{number}", "systemctl", "--user")
    yield from _running(Service(machine, messages, systemctl, "mina"))


def _running(service):
    try:
        service.control("daemon-reload")
        service.control("enable", "--now", "epochwatchd")
        yield service
    finally:
        print(service.journal())  # noqa: T201 - pytest shows it where the test failed
