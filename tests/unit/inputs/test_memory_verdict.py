"""When a death is an out-of-memory kill: tables of evidence and what may be said of it."""

from dataclasses import replace

import pytest

from epochwatchd.inputs.oom.decide import KillEvidence, LastSeen, judge_kill

LINE = "Memory cgroup out of memory: Killed process 42 (python3) total-vm:426176kB, anon-rss:55808kB"
NAMED = KillEvidence(log=(LINE,), log_is_whole=True, counter="cgroup /train", kills=1, others=5)
COUNTED = KillEvidence(counter="cgroup /train", kills=1, others=0)


@pytest.mark.parametrize(
    "seen",
    [
        NAMED,
        replace(NAMED, log_is_whole=False),
        replace(NAMED, sigkill=False),
        replace(NAMED, kills=None, others=None),
        replace(NAMED, kills=0),
        COUNTED,
        replace(COUNTED, kills=3, others=2),
    ],
    ids=[
        "named in the log",
        "named in what is left of the log",
        "named, its status unknown",
        "named, no cgroup to be seen",
        "named, killed long before it was dead",
        "a kill, and nobody else left",
        "more kills than others who left",
    ],
)
def test_it_is_an_oom_kill(seen):
    assert judge_kill(seen).code == "oom_kill"


@pytest.mark.parametrize(
    "seen",
    [
        replace(COUNTED, kills=0),
        replace(COUNTED, others=1),
        replace(COUNTED, kills=2, others=2),
        replace(COUNTED, kills=None),
        replace(COUNTED, others=None),
        replace(COUNTED, kills=-1),
        replace(COUNTED, sigkill=False),
        replace(COUNTED, log_is_whole=True),
        KillEvidence(),
    ],
    ids=[
        "no kill",
        "the kill may be of another",
        "the kills may all be of others",
        "kills are not counted",
        "who else left is not known",
        "the cgroup is another of the same name",
        "how it died is not known",
        "the log is whole and does not name it",
        "nothing is known",
    ],
)
def test_it_is_not_or_cannot_be_known(seen):
    assert judge_kill(seen) is None


def test_the_evidence_is_the_log_verbatim_and_the_sizes():
    cause = judge_kill(replace(NAMED, sizes=LastSeen("cgroup /train", 55.4, 47.9, 48.0, 120.0)))
    assert cause.details == {"signal": "SIGKILL", "rss_mib": 55.4, "limit_mib": 48.0}
    assert cause.evidence == (
        LINE,
        "it was last seen holding 55 MiB",
        "cgroup /train has held up to 48 MiB",
        "cgroup /train may use 48 MiB",
        "the machine had 120 MiB available",
    )


@pytest.mark.parametrize(
    ("kills", "words"), [(1, "1 out-of-memory kill in cgroup /train"), (3, "3 out-of-memory kills in cgroup /train")]
)
def test_the_evidence_is_what_was_counted(kills, words):
    cause = judge_kill(replace(COUNTED, kills=kills))
    assert cause.details == {"signal": "SIGKILL"}
    assert cause.evidence == (f"the kernel counted {words} as the process died",)
