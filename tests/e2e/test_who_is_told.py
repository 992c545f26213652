"""On a shared server: each run's owner is told, and what belongs to nobody comes to all."""

import getpass

from harness import Daemon, Hook, eventually, free_udp_port

CRASH = "from epochwatch import agent; agent.start({job!r}, tags={tags!r}); agent.beat(1, 0.5); raise MemoryError"


def test_the_owner_of_a_run_is_told_on_channels_of_their_own_and_others_fall_through():
    owner, vision, port = [], [], free_udp_port()
    with Hook(owner.append) as own, Hook(vision.append) as team:
        config = {
            "heartbeats": {"udp": f"127.0.0.1:{port}"},
            "channels": {"own": {"kind": "webhook", "url": own.url}, "vision": {"kind": "webhook", "url": team.url}},
            "people": {getpass.getuser(): ["own"]},
            "routes": [
                {"match": {"kind": "started"}, "to": []},
                {"match": {"tag": {"team": "vision"}, "not": {"cause": "reported"}}, "to": "vision", "continue": True},
                {"to": "@user"},
                {"to": "hook"},
            ],
        }
        with Daemon(config) as daemon:
            for job, tags in (("mine", {}), ("ours", {"team": "vision"})):
                daemon.train(CRASH.format(job=job, tags=tags))
            daemon.run("bash", "-c", f'echo \'{{"job": "claimed", "event": "failed"}}\' > /dev/udp/127.0.0.1/{port}')
            assert daemon.wait_for(job="claimed")["verified"] is False  # it may say any user
            daemon.train("from epochwatch import agent; agent.beat(1)", job="last").wait()
            eventually(lambda: len(owner) == 3 and vision)
            daemon.restart()  # nothing more was on its way
    assert sorted(m["job"] for m in owner) == ["last", "mine", "ours"]
    assert [m["job"] for m in vision] == ["ours"]
    assert daemon.told() == [("claimed", "crashed", "firing")]
