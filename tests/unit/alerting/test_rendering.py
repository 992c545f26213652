from datetime import timedelta, timezone
from typing import get_args

import pytest

from epochwatchd.alerting.rendering import EVIDENCE_LINES, LINE_MAX, bare, payload, render
from epochwatchd.model import CauseCode, Kind


def first_line(notification):
    return notification.text.partition("\n")[0]


def cause(code, evidence=(), **details):
    return {"code": code, "details": details, "evidence": list(evidence)}


def test_a_crash_is_told_with_all_that_is_known(notification):
    assert render(notification(), "en").text.splitlines() == [
        "💀 resnet50 crashed on gpu01: out of memory (OOM-killed)",
        "",
        "Why: killed by SIGKILL: the kernel ran out of memory",
        "When: 2026-11-20 12:00:00 UTC, after 1 h 25 min",
        "Progress: epoch 12/90 · step 15,360 · loss 0.31 · acc 0.912",
        "Where: gpu01 · pid 4242 · run b71c09aa42d1 · user mina",
        "",
        "Evidence:",
        "  exit status -9",
        "",
        "Next: fewer DataLoader workers or smaller batches need less memory; `journalctl -k` lists who held how much.",
        "Seen it? `epochwatch ack 6f1c`",
    ]


def test_a_crash_is_told_in_korean(notification):
    assert render(notification(), "ko").text.splitlines() == [
        "💀 [gpu01] resnet50 비정상 종료: 메모리 부족으로 강제 종료 (OOM)",
        "",
        "원인: 메모리 부족으로 커널이 강제 종료함 (SIGKILL)",
        "시각: 2026-11-20 12:00:00 UTC, 실행 1시간 25분 만에",
        "진행: 에폭 12/90 · 스텝 15,360 · loss 0.31 · acc 0.912",
        "위치: gpu01 · pid 4242 · run b71c09aa42d1 · 사용자 mina",
        "",
        "로그:",
        "  exit status -9",
        "",
        "조치: DataLoader 워커 수나 배치 크기를 줄이세요. 메모리 사용 내역은 `journalctl -k`에서 볼 수 있습니다.",
        "확인: `epochwatch ack 6f1c`",
    ]


def test_the_cause_that_comes_back_is_the_contracts(notification):
    assert render(notification(), "en").cause == {
        "code": "oom_kill",
        "text": "killed by SIGKILL: the kernel ran out of memory",
        "evidence": ["exit status -9"],
    }


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("code", ["deadlock", "busy"])
def test_the_advice_on_a_hang_names_no_place_where_none_was_seen(notification, language, code):
    told = notification(kind="silent", cause=cause(code))
    advice = render(told, language).text.splitlines()[-2]
    assert "py-spy dump --pid 4242" in advice
    assert "gpu01" not in advice


CAUSES = [
    ("crashed", cause("exception", type="ValueError", message="bad {shape}"), "ValueError: bad {shape}"),
    ("crashed", cause("exception", type="ValueError", message=""), "ValueError"),
    ("crashed", cause("exception"), "an exception that nothing caught"),
    (
        "interrupted",
        cause("keyboard_interrupt", type="KeyboardInterrupt", message=""),
        "from the keyboard (Ctrl-C)",
    ),
    (
        "interrupted",
        cause("keyboard_interrupt", signal="SIGINT", failure="keyboard_interrupt", epoch="3", epochs="5"),
        "from the keyboard (Ctrl-C), at epoch 3 of 5",
    ),
    ("crashed", cause("exit_code", status=3), "it exited with status 3"),
    ("crashed", cause("exit_code", status=0), "it left with status 0 before its end, as os._exit does"),
    ("crashed", cause("exit_code"), "it exited by itself"),
    ("crashed", cause("signal", signal="SIGSEGV", core=True), "killed by SIGSEGV (core dumped)"),
    ("crashed", cause("signal", signal="SIGSEGV", core=False), "killed by SIGSEGV"),
    ("crashed", cause("signal"), "killed by a signal"),
    ("interrupted", cause("terminated", signal="SIGTERM", core=False), "by SIGTERM"),
    ("interrupted", cause("terminated", type="orderly", signal="SIGTERM"), "by SIGTERM; it left in order"),
    ("crashed", cause("reported", reason="no data"), "it reported: no data"),
    ("crashed", cause("reboot"), "the machine went down while it was running"),
    ("crashed", cause("unknown"), "the process is gone, and how it ended cannot be known"),
    ("silent", cause("unknown"), "the process is there, and why it does not beat is not known"),
    ("silent", cause("stopped", state="T", wchan=None), "the process is stopped (SIGSTOP, Ctrl-Z or a debugger)"),
    (
        "stalled",
        cause("gpu_idle", gpus=[0, 1], idle_s=700.0, memory_mib=61440.0),
        "GPU 0, 1 has done no work for 11 min 40 s while 60.0 GiB of its memory are held",
    ),
    ("stalled", cause("gpu_idle", gpus=[0], idle_s=700.0, memory_mib=None), "GPU 0 has done no work for 11 min 40 s"),
    ("stalled", cause("gpu_idle"), "its GPU does no work"),
    ("stalled", cause("gpu_lost", gpus=[3]), "GPU 3 has fallen off the bus"),
    ("overdue", cause("overdue", limit_s=86400.0), "it has run longer than 1 d"),
    (
        "overdue",
        cause("past_estimate", estimate_s=36000.0),
        "at its first pace it would have taken 10 h",
    ),
    ("missing", cause("not_begun", within_s=900.0), "no run began within 15 min of its time"),
    ("finished", cause("stopped_early", epoch="37", epochs="90"), "stopped early at epoch 37 of 90"),
    (
        "finished",
        cause("exec", program="sh eval.sh"),
        "by then it was another program, which ended with status 0: sh eval.sh",
    ),
    ("finished", cause("unseen_status"), "it left in order, but its exit status was not seen"),
    (
        "finished",
        cause("unseen_status", epoch="37", epochs="90"),
        "it left in order, but its exit status was not seen (stopped early at epoch 37 of 90)",
    ),
    ("finished", cause("stopped_early", step="1,000", steps="9,000"), "stopped early at step 1,000 of 9,000"),
    ("finished", cause("too_fast", least_s=600.0), "suspiciously fast, as it was to take at least 10 min"),
    ("finished", cause("reported", reason="acc 0.93"), "acc 0.93"),
    (
        "finished",
        cause("reported", reason="acc 0.93", epoch="37", epochs="90"),
        "acc 0.93 (stopped early at epoch 37 of 90)",
    ),
    ("crashed", cause("something_new", figure=3), "something_new"),
]


@pytest.mark.parametrize(("kind", "given", "sentence"), CAUSES)
def test_each_cause_is_one_sentence(notification, kind, given, sentence):
    assert render(notification(kind=kind, cause=given), "en").cause["text"] == sentence


HEADLINES = [
    ({"kind": "silent", "cause": None}, "🔇 resnet50 is stuck on gpu01 for 15 min"),
    ({"kind": "silent", "cause": None, "host": ""}, "🔇 resnet50 is stuck for 15 min"),
    ({"kind": "silent", "cause": None, "rank": 3}, "🔇 resnet50 (rank 3) is stuck on gpu01 for 15 min"),
    ({"kind": "lost", "cause": None, "reason": "reminder"}, "📡 [still] lost contact with resnet50 on gpu01"),
    ({"kind": "stalled", "cause": None, "reason": "worse"}, "🐌 [now worse] resnet50 has stalled on gpu01"),
    (
        {"kind": "silent", "status": "resolved", "reason": "resolved"},
        "🟢 resnet50 is moving again on gpu01, after 15 min",
    ),
    (
        {"kind": "overdue", "status": "resolved", "reason": "resolved"},
        "🟢 resnet50 is no longer overdue on gpu01, after 15 min",
    ),
    ({"kind": "missing", "cause": None}, "👻 resnet50 never began on gpu01"),
    (
        {"kind": "missing", "status": "resolved", "reason": "resolved"},
        "🟢 resnet50 began after all on gpu01, 15 min late",
    ),
    ({"kind": "silent", "status": "resolved"}, "🟢 [came and went] resnet50 is moving again on gpu01, after 15 min"),
    ({"kind": "finished", "status": "notice", "cause": None}, "🏁 resnet50 finished on gpu01 after 1 h 25 min"),
    ({"kind": "started", "status": "notice", "cause": None}, "🚀 resnet50 started on gpu01"),
    (
        {"kind": "running", "status": "notice", "cause": cause("test")},
        "🔔 resnet50 is running on gpu01: this channel works",
    ),
    ({"kind": "diverged", "cause": cause("loss_nan")}, "📈 resnet50 diverged on gpu01: the loss is NaN"),
    ({"job": "{evil} %s\nname", "cause": None}, "💀 {evil} %s name crashed on gpu01"),
]


@pytest.mark.parametrize(("changes", "expected"), HEADLINES)
def test_the_headline_says_what_happened(notification, changes, expected):
    assert first_line(render(notification(**changes), "en")) == expected


def test_of_a_long_traceback_the_end_is_shown(notification):
    given = cause("exception", ["\n".join(f"line {i}" for i in range(40)), "x" * 1000])
    shown = [line for line in render(notification(cause=given), "en").text.splitlines() if line.startswith("  ")]
    assert len(shown) == EVIDENCE_LINES
    assert shown[-2:] == ["  line 39", "  " + "x" * (LINE_MAX - 1) + "…"]


def test_what_was_expected_and_is_missing_has_no_process(notification):
    nobody = {"job": "nightly-*", "run": "", "user": "", "pid": None, "progress": {}, "elapsed_s": 0.0}
    given = cause("not_begun", ["the last one began 24.0 h before"], within_s=900.0)
    assert render(notification(kind="missing", cause=given, **nobody), "en").text.splitlines()[:4] == [
        "👻 nightly-* never began on gpu01: no run began within 15 min of its time",
        "",
        "When: expected since 2026-11-20 12:00:00 UTC",
        "Where: gpu01",
    ]


def test_a_resolved_fault_needs_no_evidence_and_no_advice(notification):
    text = render(notification(kind="silent", status="resolved", reason="resolved"), "en").text
    assert "Evidence" not in text
    assert "Next" not in text
    assert "from 2026-11-20 12:00:00 UTC to 2026-11-20 12:15:00 UTC (15 min)" in text


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (cause("exception", type="torch.OutOfMemoryError", message="CUDA"), "lower the batch size"),
        (cause("signal", signal="SIGKILL"), "`journalctl -k` tells of the last"),
        (cause("stopped"), "`kill -CONT 4242` lets it go on."),
    ],
)
def test_the_advice_fits_the_cause(notification, given, hint):
    assert hint in render(notification(cause=given), "en").text


@pytest.mark.parametrize("given", [cause("something_new"), None, cause("keyboard_interrupt", type="KeyboardInterrupt")])
def test_without_a_known_cause_there_is_no_advice(notification, given):
    assert "Next:" not in render(notification(cause=given), "en").text


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"epoch": 0}, "Progress: epoch 0"),
        ({"epoch": 1.5, "epochs": 2}, "Progress: epoch 1.5/2"),
        ({"loss": "NaN"}, "Progress: loss NaN"),
        ({"loss": float("-inf")}, "Progress: loss -∞"),
        (
            {"metrics": {f"m{i}": i for i in range(9)}},
            "Progress: " + " · ".join(f"m{i} {i}" for i in range(8)) + " · …",
        ),
    ],
)
def test_progress_tells_what_is_known(notification, given, line):
    assert line in render(notification(progress=given), "en").text.splitlines()


@pytest.mark.parametrize(
    ("best_at", "told"),
    [
        ({"epoch": 37, "epoch_shown": 38, "step": 9}, "loss 0.3 (best 0.2 at epoch 38)"),
        ({"epoch": None, "step": 1400}, "loss 0.3 (best 0.2 at step 1,400)"),
        (None, "loss 0.3 (best 0.2)"),
    ],
)
def test_the_best_loss_is_told_with_its_place(notification, best_at, told):
    given = {"loss": 0.3, "best_loss": 0.2, "best_at": best_at}
    assert f"Progress: {told}" in render(notification(progress=given), "en").text


@pytest.mark.parametrize(
    ("kind", "age"),
    [("crashed", "Checkpoint: 10 min old · runs/ckpt.pt"), ("diverged", "Checkpoint: 26 min old · runs/ckpt.pt")],
)
def test_a_checkpoint_is_as_old_as_at_the_end_or_now(notification, kind, age):
    times = {"since": "2026-11-20T12:00:00Z", "detected_at": "2026-11-20T12:16:00Z"}
    saved = {"path": "runs/ckpt.pt", "at": "2026-11-20T11:50:00Z"}
    assert age in render(notification(kind=kind, checkpoint=saved, **times), "en").text


def test_one_saved_by_a_clock_that_goes_wrong_is_not_of_the_future(notification):
    saved = {"path": None, "at": "2036-11-20T11:50:00Z"}
    assert "Checkpoint: 0 s old\n" in render(notification(checkpoint=saved), "en").text


@pytest.mark.parametrize(
    ("memory", "told"),
    [
        ({"peak_mib": 61440.0, "limit_mib": 65536.0}, "Memory: peak 60.0 GiB of 64.0 GiB"),
        ({"peak_mib": 512.0, "limit_mib": None}, "Memory: peak 512 MiB"),
    ],
)
def test_the_most_memory_it_held_is_told(notification, memory, told):
    assert told in render(notification(memory=memory), "en").text


def test_without_progress_nothing_is_said_of_it(notification):
    assert "Progress" not in render(notification(progress={"epoch": None, "metrics": {}}), "en").text


def test_what_was_rendered_once_keeps_its_cause_when_rendered_again(notification):
    once = render(notification(), "en")
    assert render(once, "en").cause["code"] == "oom_kill"


def test_the_payload_is_the_contracts_object(notification):
    rendered = payload(render(notification(), "en"))
    assert next(iter(rendered)) == "version"
    assert rendered["version"] == 1
    assert rendered.keys() == {
        *("version", "id", "kind", "status", "reason", "severity", "job", "run", "host", "user", "pid", "rank"),
        *("since", "detected_at", "cause", "progress", "elapsed_s", "verified", "stored", "text"),
        *("argv", "cwd", "tags", "differs", "checkpoint", "memory", "times"),
    }


def test_it_is_told_how_a_run_was_started_and_what_tells_it_from_the_others(notification):
    started = {"argv": ["train.py", "--name", "a b"], "cwd": "/home/mina/exp", "differs": "--lr 0.7"}
    text = render(notification(**started, tags={"sweep": "lr", "wandb": "https://wandb.ai/x/y"}), "en").text
    assert text.startswith("💀 resnet50 (--lr 0.7) crashed on gpu01")
    assert (
        "Started as: train.py --name 'a b' · in /home/mina/exp · sweep=lr · https://wandb.ai/x/y" in text.splitlines()
    )


def test_times_are_told_in_the_zone_of_the_reader(notification):
    text = render(notification(), "ko", timezone(timedelta(hours=9), "KST")).text
    assert "2026-11-20 21:00:00 KST" in text


def test_a_finish_that_came_too_soon_brings_advice_and_an_ordinary_one_does_not(notification):
    fast = notification(kind="finished", status="notice", severity="warning", cause=cause("too_fast", least_s=600.0))
    assert "Next: was the data there" in render(fast, "en").text
    assert "Next:" not in render(notification(kind="finished", status="notice", cause=cause("reported")), "en").text


def test_a_crash_has_no_time_to_go(notification):
    assert "to go" not in render(notification(), "en").text


def test_a_failure_of_a_known_class_is_called_by_its_name_and_brings_its_advice(notification):
    known = cause("exception", type="torch.OutOfMemoryError", message="CUDA out of memory.", failure="cuda_oom")
    text = render(notification(cause=known), "en").text
    assert text.splitlines()[0].endswith("crashed on gpu01: the GPU ran out of memory")
    assert "Why: the GPU ran out of memory: torch.OutOfMemoryError: CUDA out of memory." in text
    assert "Next: lower the batch size" in text


def test_a_short_message_is_the_headline_and_what_to_do(notification):
    paragraphs = render(notification(), "en", style="short").text.split("\n\n")
    assert paragraphs[0].startswith("💀 resnet50 crashed on gpu01")
    assert [p.partition(" ")[0] for p in paragraphs[1:]] == ["Why:", "Next:"]


def test_where_words_break_a_few_plain_ones_are_left(notification):
    said = bare(notification())
    assert said.text == "resnet50: crashed (firing) oom_kill"
    assert said.cause["text"] == "oom_kill"


DETAILS = dict.fromkeys(
    ("type", "message", "signal", "core", "status", "reason", "epoch", "epochs", "step", "steps", "gpus", "child",
     "child_pid", "child_signal", "at", "pid", "problem", "file", "channel", "run", "runs", "user", "times", "host"),
    "ㄱ: 긴 이름 " * 60,
)  # fmt: skip


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("details", [{}, DETAILS], ids=["nothing known", "everything at its longest"])
@pytest.mark.parametrize("name", ["resnet50", "학습💀" * 128])
def test_every_headline_is_eighty_characters_with_one_colon_and_the_cause_stands_whole(
    notification, language, details, name
):
    for kind in get_args(Kind):
        for code in get_args(CauseCode):
            told = notification(kind=kind, job=name, host="gpu01", cause=cause(code, **details))
            said = render(told, language)
            headline = first_line(said)
            assert len(headline) <= 80
            assert headline.count(": ") <= 1
            assert not set(headline) & set("{}")
            assert said.cause["text"] in said.text
            assert name[:10] in headline or kind in ("watchdog", "overdue")


def test_of_a_long_name_both_ends_are_told(notification):
    told = notification(job="sweep-" + "x" * 100 + "-lr-0.7", cause=None)
    assert first_line(render(told, "en")) == "💀 sweep-xxxxxxxxxxx…xxxxxxxxxxx-lr-0.7 crashed on gpu01"
