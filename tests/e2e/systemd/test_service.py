"""The units of systemd/ as shipped, under a real systemd, with real trainings of an ordinary user."""

import platform
from functools import partial

import pytest
from harness import eventually

KERNEL = tuple(int(part) for part in platform.release().split(".")[:2])
# Linux 6.15 began to tell anybody how a process ended; before, the watchdog would need a capability.
HOW_IT_ENDED = "signal" if KERNEL >= (6, 15) else "unknown"
BEATS = "/run/epochwatch"


def test_the_service_is_active_once_it_watches_and_says_what_it_does(service):
    assert service.says("ActiveState") == "active"
    assert service.says("StatusText").startswith("watching")
    assert service.says("User") == "epochwatch"


def test_a_killed_training_of_an_ordinary_user_is_told_and_its_heartbeat_removed(service):
    training = service.train("lenet")

    service.kill(training)

    crash = service.wait_for(job="lenet", kind="crashed")
    assert (crash["user"], crash["pid"], crash["progress"]["epoch"]) == ("mina", training["pid"], 3)
    assert crash["cause"]["code"] == HOW_IT_ENDED
    eventually(lambda: not list((service.machine.root / "run/epochwatch").iterdir()))


def test_users_can_neither_read_nor_remove_each_others_heartbeats(service):
    machine = service.machine
    assert machine.run("stat", "--format=%a %U:%G", BEATS) == "3777 epochwatch:epochwatch"
    service.train("lenet")
    [beat] = machine.run("ls", BEATS).split()
    assert machine.run("stat", "--format=%a %U:%G", f"{BEATS}/{beat}") == "640 mina:epochwatch"

    with pytest.raises(AssertionError, match="Permission denied"):
        machine.run("cat", f"{BEATS}/{beat}", user="joon")
    with pytest.raises(AssertionError, match="Operation not permitted"):
        machine.run("rm", "--force", f"{BEATS}/{beat}", user="joon")
    with pytest.raises(AssertionError, match="Operation not permitted"):
        machine.run("mv", f"{BEATS}/{beat}", f"{BEATS}/stolen.beat", user="joon")


def test_members_of_its_group_see_all_runs_and_others_none(service):
    status = ("/opt/epochwatch/bin/epochwatchd", "status", "--json", "--config=/dev/null")
    service.train("lenet")
    service.machine.run("usermod", "--append", "--groups=epochwatch", "joon")

    assert '"lenet"' in service.machine.run(*status, user="joon")
    with pytest.raises(AssertionError):
        service.machine.run(*status, user="mina")


def test_a_runs_user_and_the_group_may_acknowledge_and_nobody_else(service):
    ack = ("/opt/epochwatch/bin/python", "-m", "epochwatch", "ack")
    service.kill(service.train("lenet"))
    crash = service.wait_for(job="lenet", kind="crashed")

    with pytest.raises(AssertionError, match="mina, root, the group epochwatch may do that"):
        service.machine.run(*ack, crash["id"], user="joon")
    assert "seen: lenet (crashed" in service.machine.run(*ack, crash["id"][:6], user="mina")
    service.machine.run("usermod", "--append", "--groups=epochwatch", "joon")
    assert "seen: lenet (crashed" in service.machine.run(*ack, crash["id"], user="joon")
    assert "acknowledged by joon" in service.journal()


def test_a_killed_watchdog_is_back_repeats_no_alert_and_forgets_no_run(service):
    lenet, resnet = service.train("lenet"), service.train("resnet")
    service.kill(lenet)
    service.wait_for(job="lenet", kind="crashed")
    before = service.says("MainPID")

    service.signal("KILL")
    service.wait_until_restarted(before)
    service.kill(resnet)

    service.wait_for(job="resnet", kind="crashed")
    told = sorted((message["job"], message["kind"]) for message in service.messages)
    assert told == [(job, kind) for job in ("lenet", "resnet") for kind in ("crashed", "started")]


def test_a_training_that_dies_while_the_watchdog_is_stopped_is_told_when_it_is_back(service):
    training = service.train("lenet")
    service.control("stop", "epochwatchd")
    assert (service.says("ActiveState"), service.says("Result")) == ("inactive", "success")

    service.kill(training)
    service.control("start", "epochwatchd")

    service.wait_for(job="lenet", kind="crashed")
    assert [message["kind"] for message in service.messages] == ["started", "crashed"]


def test_a_frozen_watchdog_is_replaced_and_says_where_it_stood(service):
    service.drop_in("WatchdogSec=2")
    service.control("restart", "epochwatchd")
    training, before = service.train("lenet"), service.says("MainPID")

    service.signal("STOP")
    service.wait_until_restarted(before)

    assert "Fatal Python error: Aborted" in service.journal()
    service.kill(training)
    service.wait_for(job="lenet", kind="crashed")
    assert [message["kind"] for message in service.messages] == ["started", "crashed"]


def test_a_mistake_in_the_configuration_is_told_and_not_tried_again(service):
    service.machine.write("/etc/epochwatch/config.yaml", "chanels: {}\n")

    with pytest.raises(AssertionError, match="failed"):
        service.control("restart", "epochwatchd")

    assert (service.says("ActiveState"), service.says("NRestarts")) == ("failed", "0")
    assert "config.yaml:1: chanels" in service.journal()


def test_a_new_configuration_is_taken_up_by_a_reload_and_a_bad_one_refused_with_its_lines(service):
    before = service.says("MainPID")
    good = service.machine.run("cat", "/etc/epochwatch/config.yaml")
    service.machine.write("/etc/epochwatch/config.yaml", good + "\nlanguage: ko\n")
    service.control("reload", "epochwatchd")
    service.kill(service.train("lenet"))
    assert "비정상 종료" in service.wait_for(job="lenet", kind="crashed")["text"]

    service.machine.write("/etc/epochwatch/config.yaml", good + "\nlanguage: kr\n")
    service.control("reload", "epochwatchd")
    refused = service.wait_for(kind="watchdog")
    assert refused["cause"]["code"] == "config_refused"
    assert "config.yaml:" in service.journal()
    eventually(lambda: "the new configuration was refused" in service.says("StatusText"))

    service.machine.write("/etc/epochwatch/config.yaml", good)
    service.control("reload", "epochwatchd")
    service.wait_for(kind="watchdog", status="resolved")
    assert service.says("MainPID") == before


def test_it_stops_at_once_and_tells_its_state_when_asked(service):
    service.train("lenet")
    service.signal("USR1")
    eventually(lambda: "state: watching 1 run" in service.journal())
    assert service.says("ActiveState") == "active"
    service.control("stop", "epochwatchd")
    assert service.says("Result") == "success"


def test_a_datagram_to_its_socket_is_of_a_known_sender(service):
    service.send('{"job": "julia", "epoch": 1, "loss": 0.5}')
    started = service.wait_for(job="julia", kind="started")
    assert (started["user"], started["verified"]) == ("mina", True)


def test_a_user_without_root_has_a_watchdog_of_their_own(service_of_mina):
    service = service_of_mina
    training, before = service.train("lenet"), service.says("MainPID")

    service.signal("KILL")
    service.wait_until_restarted(before)
    service.kill(training)

    # Of a process of one's own an older kernel tells it too, if one asks before its parent does.
    assert service.wait_for(job="lenet", kind="crashed")["cause"]["code"] in ("signal", HOW_IT_ENDED)
    told = [message["kind"] for message in service.messages if message["kind"] != "watchdog"]
    assert told == ["started", "crashed"]


def slow_to_come_back(service):
    """Give the tests time between two daemons."""
    service.drop_in("RestartSec=5")


def killed(service):
    """The daemon is killed, and comes back later."""
    slow_to_come_back(service)
    service.signal("KILL")
    eventually(lambda: service.says("SubState") == "auto-restart")


def upgraded(service):
    """The daemon is started anew by its administrator, and takes its time."""
    service.drop_in("ExecStartPre=/bin/sleep 5")
    service.control("restart", "--no-block", "epochwatchd")
    eventually(lambda: service.says("SubState") == "start-pre")


@pytest.mark.skipif(KERNEL < (6, 15), reason="a pidfd tells of a dead process since Linux 6.15")
@pytest.mark.parametrize("away", [killed, upgraded])
def test_how_a_training_ended_while_no_watchdog_was_there_is_known_when_it_is_back(either, away):
    training, before = either.train("lenet"), either.says("MainPID")
    away(either)

    either.machine.run("kill", "-USR1", str(training["pid"]))
    eventually(lambda: not either.machine.run("ps", "-o", "pid=", "-p", str(training["pid"]), check=False))
    either.wait_until_restarted(before)

    crash = either.wait_for(job="lenet", kind="crashed")
    assert (crash["cause"]["code"], crash["cause"]["text"]) == ("exit_code", "it exited with status 3")


def test_what_was_sent_while_no_watchdog_was_there_is_heard_when_it_is_back(either):
    slow_to_come_back(either)
    before = either.says("MainPID")
    either.signal("KILL")
    eventually(lambda: either.says("SubState") == "auto-restart")

    either.send('{"job": "shell", "epoch": 3, "loss": 0.5}')
    either.wait_until_restarted(before)

    assert either.wait_for(job="shell", kind="started")["user"] == "mina"


def test_nothing_is_kept_of_what_is_over(either):
    for job in ("lenet", "resnet"):
        either.kill(either.train(job))
        either.wait_for(job=job, kind="crashed")
    eventually(lambda: either.says("NFileDescriptorStore") == "1")  # the socket


def test_the_journal_is_searched_by_job_user_and_verdict_and_has_levels(service):
    service.kill(service.train("lenet"))
    service.wait_for(job="lenet", kind="crashed")
    find = partial(service.machine.run, "journalctl", "--output=cat", "--unit=epochwatchd")
    eventually(lambda: "crashed (signal)" in find("EPOCHWATCH_JOB=lenet"))
    assert "crashed" in find("--priority=err", "EPOCHWATCH_USER=mina", "EPOCHWATCH_VERDICT=crashed")
    assert "a run began" not in find("--priority=warning")
    assert find("EPOCHWATCH_JOB=another") in ("", "-- No entries --")


def crash_twice(service):
    for _ in range(2):
        before = service.says("MainPID")
        service.signal("SEGV")
        service.wait_until_restarted(before)


def bad_ends(service):
    return service.about(kind="watchdog", status="firing")


def test_a_bad_end_is_told_once_by_the_next_daemon_where_its_end_could_tell_nobody(service):
    """systemd 252 keeps credentials from ExecStopPost=."""
    crash_twice(service)
    told = service.wait_for(kind="watchdog", status="firing")
    assert (told["cause"]["code"], told["severity"]) == ("daemon_ended", "critical")
    assert "SEGV" in told["text"]
    service.wait_for(kind="watchdog", status="resolved")
    assert len(bad_ends(service)) == 1


def test_a_crash_loop_that_never_gets_ready_is_told_once(service):
    machine = service.machine
    machine.run("chown", "epochwatch", "/etc/epochwatch/hook-url")  # as `epochwatchd setup` leaves it
    service.drop_in("ExecStart=\nExecStart=/bin/false\nRestartSec=100ms")
    service.control("restart", "epochwatchd", "--no-block")
    eventually(lambda: int(service.says("NRestarts")) > 3)
    service.wait_for(kind="watchdog")
    assert len(bad_ends(service)) == 1


def test_a_good_end_is_told_to_nobody(either):
    either.control("restart", "epochwatchd")
    either.control("stop", "epochwatchd")
    assert (either.says("Result"), bad_ends(either)) == ("success", [])


def test_with_every_relaxation_at_once_it_works_and_has_what_they_say(service):
    machine = service.machine
    machine.run("sh", "-c", "cp /opt/systemd/relax/*.conf /etc/systemd/system/epochwatchd.service.d/")
    service.control("daemon-reload")
    service.control("restart", "epochwatchd")
    assert service.says("ActiveState") == "active"
    known = machine.run("grep", "CapEff", f"/proc/{service.says('MainPID')}/status").split()[1]
    held = {number for number in range(41) if int(known, 16) >> number & 1}
    assert held == {12, 19, 34}  # CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYSLOG
    assert machine.run("systemd-analyze", "verify", "--man=no", "epochwatchd.service") == ""
