"""A user in front of a terminal: what was seen, what is muted, and who is told together, with a real daemon."""

import os
import re
import sys

from harness import Daemon, Hook, eventually
from vendors import serving
from vendors.telegram import Telegram

LIVES = "from epochwatch import agent; agent.beat(1, 0.5); input()"
BEATS_THEN_HANGS = """
import time
from epochwatch import agent
for n in range(5): agent.beat(n, 0.5); time.sleep(0.1)
input()
"""


class Phone(Hook):
    """A stand-in for ntfy's server: keeps each message's title and text."""

    def __init__(self):
        super().__init__(self._keep)
        self.got = []

    def _keep(self, message):
        self.got.append((message["title"], message["message"]))

    @property
    def channel(self):
        return {"kind": "ntfy", "url": self.url.removesuffix("/alerts"), "topic": "lab"}


def epochwatch(daemon, *line):
    return daemon.run(sys.executable, "-m", "epochwatch", *line)


def test_forty_jobs_that_die_at_once_are_two_messages_beside_another_ones_crash():
    with Phone() as phone:
        routes = [{"match": {"kind": "crashed"}, "to": ["hook", "phone"]}, {"to": "hook"}]
        config = {"channels": {"phone": phone.channel}, "routes": routes, "group_interval": "10s"}
        with Daemon(config) as daemon:
            trainings = [daemon.train(LIVES, job=f"sweep-{number}") for number in range(40)]
            for number in range(40):
                daemon.wait_until_watched(f"sweep-{number}")
            for training in trainings:
                training.kill()
            daemon.train("from epochwatch import agent; agent.beat(1, 0.5); raise ValueError('x')", job="other")
            for number in range(40):
                daemon.wait_for(job=f"sweep-{number}", kind="crashed")
            daemon.wait_for(job="other", kind="crashed")
            eventually(lambda: sum(map(runs_of, phone.got)) == 41)
            daemon.restart()  # nothing more was on its way
        assert 2 <= len(phone.got) <= 3
        assert [title for title, _ in phone.got if "other crashed" in title]
        many, text = max(phone.got, key=runs_of)
        assert "killed by SIGKILL" in many
        assert "epochwatch ack" in text


def runs_of(message):
    """Of how many runs a message tells."""
    count = re.search(r"(\d+) runs crashed", message[0])
    return int(count[1]) if count else 1


def test_what_is_seen_is_not_said_again_and_nobody_else_is_told():
    routes = [{"to": "hook", "repeat_every": "1s", "escalate": {"after": "3s", "to": "boss"}}]
    config = {"routes": routes, "defaults": {"silent_after": "1s"}}
    with Phone() as boss, Daemon({"channels": {"boss": boss.channel}, **config}) as daemon:
        daemon.train(BEATS_THEN_HANGS, job="seen")
        daemon.train(BEATS_THEN_HANGS, job="unseen")
        seen = daemon.wait_for(job="seen", kind="silent")
        assert f"epochwatch ack {seen['id'][:4]}" in seen["text"]
        said = epochwatch(daemon, "ack", seen["id"][:6], "--note", "on my way")
        assert (said.returncode, said.stdout) == (0, f"seen: seen (silent, {seen['host']})\n")
        daemon.wait_for(job="unseen", reason="reminder")
        eventually(lambda: boss.got)
        daemon.settle()
        assert [title for title, _ in boss.got if "unseen" not in title] == []
        assert "nobody has seen it" in boss.got[0][0]
        assert not daemon.about(job="seen", reason="reminder")


def test_a_button_in_telegram_acknowledges_and_another_mutes():
    telegram = Telegram()
    routes = [{"to": ["hook", "phone"], "repeat_every": "1s"}]
    with serving() as serve:
        phone = {**telegram.options(serve(telegram.answer)), "buttons": True}
        with Daemon({"channels": {"phone": phone}, "routes": routes, "defaults": {"silent_after": "1s"}}) as daemon:
            daemon.train(BEATS_THEN_HANGS, job="seen")
            seen = daemon.wait_for(job="seen", kind="silent")
            eventually(lambda: telegram.messages)
            telegram.press(f"ack:{seen['id']}")
            assert eventually(lambda: telegram.answered)[0] == ("q1", "Seen. / 확인했습니다.")
            telegram.press(f"mute:{seen['id']}")
            eventually(lambda: len(telegram.answered) == 2)
            listed = epochwatch(daemon, "mutes").stdout
            assert "job=seen" in listed
            assert "Mina (Telegram 7): a button in phone" in listed
            telegram.press("ack:0123")
            assert eventually(lambda: telegram.answered[2:])[0][1].startswith("Nothing is known of this message.")


def test_a_mute_says_what_it_meets_and_ends_when_it_is_taken_back():
    with Daemon({"defaults": {"silent_after": "1s"}}) as daemon:
        daemon.train(LIVES, job="other")
        daemon.wait_until_watched("other")
        said = epochwatch(daemon, "mute", "job=nois*", "--for", "2h", "--why", "moving the data")
        assert "0 of the 1 runs that are watched now match; is that what you meant?" in said.stdout
        mute_id = said.stdout.split("unmute ")[1].split()[0]
        routes_test = sys.executable, "-m", "epochwatchd.cli", "routes", "test", "-c", daemon.config_file
        noisy, other = (daemon.run(*routes_test, "--job", job).stdout for job in ("noisy", "other"))
        assert f", moving the data; epochwatch unmute {mute_id}\nroute 1: " in noisy
        assert "muted" not in other
        daemon.train(BEATS_THEN_HANGS, job="noisy")
        eventually(lambda: any("held until" in line and "muted" in line for line in daemon.log))
        daemon.settle()
        assert daemon.about(job="noisy") == []
        listed = epochwatch(daemon, "mutes").stdout
        assert mute_id in listed
        assert listed.rstrip().endswith("moving the data")
        daemon.restart()
        assert epochwatch(daemon, "unmute", mute_id).stdout == f"{mute_id} is heard of again\n"
        daemon.wait_for(job="noisy", kind="silent")
        assert epochwatch(daemon, "mutes").stdout == "nothing is muted\n"


def test_another_user_can_neither_acknowledge_nor_take_back():
    if os.geteuid() != 0:
        return  # whoever cannot become another user has nothing to try
    with Daemon({"defaults": {"silent_after": "1s"}}) as daemon:
        os.chmod(daemon.folder, 0o755)
        daemon.train(BEATS_THEN_HANGS, job="mine")
        mine = daemon.wait_for(job="mine", kind="silent")
        epochwatch(daemon, "mute", "job=x", "--for", "1h", "--why", "y")
        [mute] = [line.split()[0] for line in epochwatch(daemon, "mutes").stdout.splitlines()]
        for line in (["ack", mine["id"]], ["unmute", mute]):
            refused = daemon.run(sys.executable, "-c", AS_NOBODY, *line)
            assert refused.returncode == 1
            assert "root, the group epochwatch may do that" in refused.stderr


AS_NOBODY = "import os, sys; from epochwatch import cli, control; os.setuid(65534); sys.exit(cli.main(sys.argv[1:]))"
