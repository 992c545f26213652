"""``epochwatchd service`` on a bare Debian: the system's Python and a user's environment, and nothing of epochwatch."""

from functools import partial

import pytest
from harness import Hook, eventually
from installed import COMMAND, CONFIG, HOME, PATHS, PROJECT, SHOWN, TRAINING, Service
from machine import Machine, why_not

WHEELS = PROJECT / ".venv/wheels"
PIP = "[global]\nno-index = true\nfind-links = /opt/wheels\ndisable-pip-version-check = true\n"
PIP_TAKES_S = 150.0
OURS = f"{HOME}/env/bin/epochwatchd"
THEIRS = "/opt/epochwatch/bin/epochwatchd"
CONFIGURED = "/etc/epochwatch/config.yaml"
MINE = ("env", "EPOCHWATCH_JOB=lenet", f"{HOME}/env/bin/python", "-c", TRAINING)


@pytest.fixture
def bare():
    """A machine on which mina has an environment with epochwatch, and nobody else has anything of it."""
    reason = why_not() or (None if WHEELS.is_dir() else "there is no .venv/wheels: tests/system-packages.sh gets them")
    if reason:
        pytest.skip(reason)
    with Machine({**SHOWN, WHEELS: "/opt/wheels"}) as machine:
        machine.write("/etc/ld.so.conf.d/python.conf", "/opt/python/lib\n")
        machine.run("ldconfig")
        machine.write("/etc/pip.conf", PIP)
        machine.run("useradd", "--create-home", "--user-group", "mina")
        as_mina = partial(machine.run, user="mina")
        as_mina("/opt/python/bin/python3", "-m", "venv", "--without-pip", f"{HOME}/env")
        library = as_mina(f"{HOME}/env/bin/python", "-c", "import sysconfig as s; print(s.get_path('purelib'))")
        machine.write(f"{library}/shown.pth", PATHS, user="mina")
        machine.write(OURS, COMMAND.replace("/opt/epochwatch", f"{HOME}/env"), mode="755", user="mina")
        yield machine


@pytest.fixture
def told(request):
    """What comes to the channel of the test's machine, which is configured to have one."""
    machine = request.getfixturevalue("bare" if "bare" in request.fixturenames else "machine")
    messages = []
    with machine.in_its_network(partial(Hook, messages.append)) as hook:
        machine.write(CONFIGURED, CONFIG.replace("url_file: hook-url", f"url: '{hook.url}'"))
        yield messages


def everything(machine):
    """What there is of epochwatch where services lie."""
    found = machine.run("find", "/etc", "/var/lib", "/run", "/usr/lib/systemd", "-ipath", "*epochwatch*", check=False)
    return [line for line in found.splitlines() if not line.startswith(("/run/systemd", "/run/log"))]


def test_one_command_makes_a_service_that_tells_a_death_and_again_it_repairs(bare, told):
    install = partial(bare.run, OURS, "service", "install", patience=PIP_TAKES_S)
    said = install()
    assert "So /opt/epochwatch gets a copy" in said
    assert "ok      a test run was seen" in said
    assert "Next: sudo /opt/epochwatch/bin/epochwatchd setup" in said
    service = Service(bare, told)
    assert (service.says("ActiveState"), service.says("UnitFileState")) == ("active", "enabled")
    bare.start(*MINE, user="mina")
    training = service.wait_for(job="lenet", kind="started")

    bare.run("rm", "-rf", "/opt/epochwatch/lib", "/etc/tmpfiles.d/epochwatch.conf")
    bare.run("sh", "-c", "echo >> /etc/systemd/system/epochwatchd.service")
    install()

    assert "WRONG" not in bare.run(THEIRS, "service", "status")
    bare.run("kill", "-KILL", str(training["pid"]))
    assert service.wait_for(job="lenet", kind="crashed")["user"] == "mina"
    assert len(service.about(job="lenet", kind="started")) == 1
    bare.run(THEIRS, "service", "uninstall", "--purge")
    with pytest.raises(AssertionError):
        bare.run("ls", "/opt/epochwatch")


def test_code_of_root_is_run_where_it_lies_and_starts_with_the_machine(machine, told):
    said = machine.run(THEIRS, "service", "install")
    assert ("gets a copy" in said, told[-1]["kind"]) == (False, "finished")
    wants = "/etc/systemd/system/multi-user.target.wants/epochwatchd.service"
    assert machine.run("readlink", wants) == "/etc/systemd/system/epochwatchd.service"


def test_after_a_reboot_it_is_there_by_itself_and_tells_what_the_reboot_ended(machine, told):
    machine.run(THEIRS, "service", "install")
    service = Service(machine, told)
    python = "/opt/epochwatch/bin/python"
    machine.run("systemd-run", "--uid=mina", "--setenv=EPOCHWATCH_JOB=lenet", python, "-c", TRAINING)
    service.wait_for(job="lenet", kind="started")
    port = int(machine.run("grep", "--only-matching", "[0-9]*/alerts", CONFIGURED).partition("/")[0])

    machine.reboot()

    with machine.in_its_network(partial(Hook, told.append, port)):
        assert service.says("ActiveState") == "active"
        assert service.wait_for(job="lenet", kind="crashed")["user"] == "mina"
        service.kill(service.train("resnet"))
        service.wait_for(job="resnet", kind="crashed")


def test_a_neighbour_who_leaves_beats_of_that_name_stops_no_installation(machine):
    machine.run(THEIRS, "service", "install")
    job = "epochwatchd-service-install"
    forge = f"import os; from epochwatch import agent; agent.start('{job}'); agent.beat(1); os.read(0, 1)"
    machine.start("sh", "-c", f'sleep 1000 | /opt/epochwatch/bin/python -c "{forge}"', user="joon")
    eventually(lambda: machine.run("find", "/run/epochwatch", "-user", "joon"))
    assert "ok      a test run was seen" in machine.run(THEIRS, "service", "install")


def test_a_channel_that_takes_nothing_is_told_by_status(machine):
    machine.write("/etc/epochwatch/config.yaml", "channels: {dead: {kind: webhook, url: 'http://127.0.0.1:9/x'}}\n")
    machine.run(THEIRS, "service", "install")
    status = partial(machine.run, THEIRS, "service", "status", check=False)
    eventually(lambda: "channel dead does not take messages" in status())
    assert "`epochwatchd test-alert dead` tries it" in status()


@pytest.mark.usefixtures("told")
def test_uninstall_leaves_a_persons_words_and_purge_nothing(machine):
    machine.run(THEIRS, "service", "install")
    machine.run("sh", "-c", "echo '# mine' >> /etc/epochwatch/config.yaml")
    said = machine.run(THEIRS, "service", "uninstall")
    assert "Left, with your words and its history: /etc/epochwatch, /var/lib/epochwatch" in said
    assert {line.split("/epochwatch")[0] for line in everything(machine)} == {"/etc", "/var/lib"}
    assert "# mine" in machine.run("cat", "/etc/epochwatch/config.yaml")
    machine.run(THEIRS, "service", "uninstall", "--purge")
    assert everything(machine) == []
    with pytest.raises(AssertionError):
        machine.run("id", "epochwatch")


def test_status_says_what_is_wrong_and_what_to_do(machine):
    status = partial(machine.run, THEIRS, "service", "status", check=False)
    assert "`sudo epochwatchd service install` installs the service" in status()
    machine.run(THEIRS, "service", "install")
    assert "no channel is configured" in status()
    machine.run("chmod", "00755", "/run/epochwatch")
    assert "mode 755, not 3777" in status()
    machine.run("systemctl", "stop", "epochwatchd")
    assert "it does not run (inactive" in status()
    machine.run("systemctl", "disable", "epochwatchd")
    assert "does not start with the machine" in status()
    machine.run("chown", "mina", "/opt/epochwatch/bin/epochwatchd")
    assert "/opt/epochwatch/bin/epochwatchd does not belong to root" in status()
    machine.write("/etc/epochwatch/config.yaml", "channels: {x: {kind: slak}}\n")
    assert "did you mean slack?" in status()


def test_without_root_it_says_how(machine):
    with pytest.raises(AssertionError, match="sudo is needed"):
        machine.run(THEIRS, "service", "install", user="mina")
    plan = machine.run(THEIRS, "service", "install", "--dry-run", user="mina").splitlines()
    assert plan[-1] == "systemctl restart epochwatchd"
    assert everything(machine) == []


def test_a_path_with_a_space_and_a_percent_sign_is_run(machine):
    machine.run("mkdir", "/opt/my 100% env")
    machine.run("sh", "-c", "mv /opt/epochwatch '/opt/my 100% env/epochwatch'")
    ours = "/opt/my 100% env/epochwatch/bin/epochwatchd"
    machine.write(
        ours, COMMAND.replace("/opt/epochwatch/bin/python", "/usr/bin/env -S /opt/link/bin/python"), mode="755"
    )
    machine.run("ln", "-s", "/opt/my 100% env/epochwatch", "/opt/link")
    assert "ok      a test run was seen" in machine.run(ours, "service", "install")
    assert "is gone" not in machine.run(ours, "service", "status", check=False)


def test_a_user_has_one_of_their_own(machine):
    number = machine.run("id", "--user", "mina")
    machine.run("loginctl", "enable-linger", "mina")
    eventually((machine.root / f"run/user/{number}/systemd/private").exists)
    mine = partial(machine.run, "env", f"XDG_RUNTIME_DIR=/run/user/{number}", THEIRS, "service", user="mina")
    assert "ok      a test run was seen" in mine("install", "--user")
    assert "it goes on while you are logged out" in mine("status", "--user", check=False)
    machine.write("/opt/epochwatch/.made-by-epochwatchd", "the machine's")
    mine("uninstall", "--user", "--purge")
    machine.run("ls", THEIRS)
    assert machine.run("find", HOME, "-ipath", "*epochwatch*", user="mina") == ""
