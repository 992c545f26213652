"""A machine on which epochwatchd was installed as docs/install.md says, with a user who trains on it."""

import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # harness: it is not there yet where only these tests are run

from harness import Hook, eventually
from installed import COMMAND, CONFIG, DROP_IN, HOME, INSTALLED, PATHS, SHOWN, Service
from machine import Machine, why_not


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
    its = {
        "systemctl": ("env", f"XDG_RUNTIME_DIR=/run/user/{number}", "systemctl", "--user"),
        "user": "mina",
        "units": f"{HOME}/.config/systemd/user",
        "socket": f"/run/user/{number}/epochwatchd/beats",
    }
    yield from _running(Service(machine, messages, **its))


@pytest.fixture(params=["service", "service_of_mina"])
def either(request):
    """The watchdog of the machine, then that of a user."""
    return request.getfixturevalue(request.param)


def _running(service):
    try:
        service.control("daemon-reload")
        service.control("enable", "--now", "epochwatchd")
        yield service
    finally:
        print(service.journal())  # noqa: T201 - pytest shows it where the test failed
