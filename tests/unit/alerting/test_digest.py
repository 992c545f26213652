import pytest

from epochwatchd.alerting.digest import Ended, Stuck, Summary, digest
from epochwatchd.alerting.rendering import render

DAY = 86_400.0
H = 3600.0


def told(ended=(), stuck=(), running=0, language="en"):
    return render(digest("team", Summary(DAY, 2 * DAY, ended, stuck, running), "gpu01"), language).text


def test_a_day_in_a_few_lines():
    ended = [Ended("vit", "jiho", "finished", None)] * 14 + [Ended("resnet50", "mina", "crashed", "oom_kill")] * 12
    stuck = [Stuck("a", "unet", "mina", 1.5 * DAY, 1.5 * DAY + 3.2 * H, 4)]
    lines = told(ended, stuck, 5).splitlines()
    assert lines[0] == "📋 summary of 1 d on gpu01: 14 finished, 12 failed, 5 running"
    assert lines[2] == "stuck for 3 h 12 min in all: 12.8 GPU hours lost"
    assert "  resnet50 (mina): oom_kill x12" in lines
    assert lines[-1] == "  unet (mina): stuck for 3.2 h with 4 GPUs"


STRETCHES = [
    ("none", [], ""),
    ("what lasts counts until the end of the day", [(1.9 * DAY, 3 * DAY)], "2 h 24 min"),
    ("what began before counts from its begin", [(0.5 * DAY, DAY + H)], "1 h"),
    ("two that overlap are one", [(DAY + H, DAY + 3 * H), (DAY + 2 * H, DAY + 4 * H)], "3 h"),
    ("one within another is none", [(DAY + H, DAY + 4 * H), (DAY + 2 * H, DAY + 3 * H)], "3 h"),
    ("two apart are both", [(DAY + H, DAY + 2 * H), (DAY + 5 * H, DAY + 6 * H)], "2 h"),
]


@pytest.mark.parametrize(("stretches", "lost"), [case[1:] for case in STRETCHES], ids=[case[0] for case in STRETCHES])
def test_how_long_a_run_was_stuck(stretches, lost):
    text = told(stuck=[Stuck("a", "unet", "mina", *stretch, 0) for stretch in stretches])
    assert (f"stuck for {lost} in all" if lost else "nothing was stuck") in text
    assert "GPU" not in text


def test_of_many_that_failed_ten_are_named():
    lines = told([Ended(f"job-{n}", "mina", "crashed", None) for n in range(12)]).splitlines()
    assert "  job-0 (mina): crashed" in lines
    assert lines[-1] == "  and 2 more that failed"


def test_it_speaks_korean():
    assert told(running=2, language="ko").startswith("📋 [gpu01] 지난 1일 요약: 완료 0, 실패 0, 실행 중 2")
