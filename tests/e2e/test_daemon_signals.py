"""What an administrator says to the daemon by signals, without ending it."""

import signal

import pytest
from harness import Daemon, Hook, eventually

TRAINING = "from epochwatch import agent; agent.beat(3, 0.5); input()"


@pytest.fixture
def daemon():
    with Daemon() as daemon:
        yield daemon


def reload(daemon):
    daemon.process.send_signal(signal.SIGHUP)


def logged(daemon, text):
    return any(text in line for line in daemon.log)


def test_a_reload_changes_language_routes_channels_and_limits_of_runs_that_go_on(daemon):
    daemon.train(TRAINING, job="lenet")
    daemon.wait_until_watched("lenet")
    others = []
    with Hook(others.append) as other:
        daemon.configure(
            {
                "language": "ko",
                "defaults": {"max_runtime": "1s"},
                "channels": {"other": {"kind": "webhook", "url": other.url}},
                "routes": [{"to": "other"}],
            }
        )
        reload(daemon)
        eventually(lambda: [m for m in others if m["kind"] == "overdue"])
    assert "예정 시간 초과" in others[-1]["text"]
    assert daemon.about(kind="overdue") == []


def test_a_bad_configuration_is_refused_told_and_resolved_by_a_good_one(daemon):
    good = daemon.config_file.read_text()
    daemon.config_file.write_text(good + "routs: []\n")
    reload(daemon)
    refused = daemon.wait_for(kind="watchdog", status="firing")
    assert refused["cause"]["code"] == "config_refused"
    assert any("routs" in line for line in refused["cause"]["evidence"])
    assert (refused["job"], refused["run"], refused["user"], refused["pid"]) == (None, None, None, None)
    assert logged(daemon, "config.yaml:")
    training = daemon.train(TRAINING, job="lenet")
    daemon.wait_until_watched("lenet")
    training.kill()
    daemon.wait_for(job="lenet", kind="crashed")
    daemon.config_file.write_text(good)
    reload(daemon)
    daemon.wait_for(kind="watchdog", status="resolved")


def test_what_needs_a_new_start_is_said(daemon):
    daemon.configure({"heartbeats": {"udp": "127.0.0.1:0"}})
    reload(daemon)
    eventually(lambda: logged(daemon, "they change when the daemon is started anew"))


def test_asked_for_its_state_it_logs_it_and_goes_on(daemon):
    training = daemon.train(TRAINING, job="lenet")
    daemon.wait_until_watched("lenet")
    daemon.process.send_signal(signal.SIGUSR1)
    eventually(lambda: logged(daemon, "state: watching 1 run"))
    eventually(lambda: logged(daemon, "deliveries: "))
    training.kill()
    daemon.wait_for(job="lenet", kind="crashed")
