import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from epochwatchd.alerting.phrases.failures_en import FAILURES as ENGLISH
from epochwatchd.alerting.phrases.failures_ko import FAILURES as KOREAN
from epochwatchd.detection.failures import CODES, Failure, classify
from epochwatchd.detection.failures.patterns import RAISED, SAID, alternatives, cue

LOGS = Path(__file__).parent / "failure_logs"
"""Excerpts of logs. ``=== CODE STATUS`` begins a case, ``=== CODE STATUS each`` a list of exceptions, one a line.

``!!! Type: message`` stands for a whole traceback that ends so, # for a remark at the beginning of a file.
"""
FRAMES = ["Traceback (most recent call last):", '  File "/app/train.py", line 88, in <module>', "    main()"]
REPORTED = ("keyboard_interrupt", "segfault", "illegal_instruction", "bus_error")
"""What is told by others than the program itself."""
TUNED = ("exceptions", "endings", "innocent")
HELD_OUT = ("held_out", "held_out_later", "unseen", "examined")


class Case(NamedTuple):
    code: str | None
    status: int
    lines: list[str]
    name: str


def cases(name):
    found, code, status, each = [], None, 0, []
    lines = map(str.rstrip, (LOGS / f"{name}.txt").read_text(encoding="utf-8").splitlines())  # as the agent keeps them
    for number, line in enumerate(lines, 1):
        if line.startswith("=== "):
            word, status, *each = line.split()[1:]
            code = None if word == "unknown" else word
            if not each:
                found.append(Case(code, int(status), [], f"{name}:{number} {word}"))
        elif each:
            found.append(Case(code, int(status), [*FRAMES, *line.split(r"\n")], f"{name}:{number} {code}"))
        elif found:
            found[-1].lines.extend([*FRAMES, line[4:]] if line.startswith("!!! ") else [line])
    return found


def produced():
    """What programs that really failed printed, and what shells and torchrun around them did."""
    logs = map(json.loads, (LOGS / "produced.jsonl").read_text(encoding="utf-8").splitlines())
    return [
        Case(log["code"], log["status"], log["log"].splitlines(), f"produced:{at} {log['code']}")
        for at, log in enumerate(logs, 1)
    ]


def exceptions():
    return [case for case in cases("exceptions") if case.code not in REPORTED]


def code_of(lines, status=1, exception=None, traceback=None):
    found = classify(exception=exception, traceback=traceback, tail=lines, exit_status=status)
    return found.code if found else None


def wrong(cases, arrange=lambda case: case.lines):
    return [(case.name, got) for case in cases if (got := code_of(arrange(case), case.status)) != case.code]


def named(case):
    return case.name


@pytest.mark.parametrize("case", [case for name in (*TUNED, *HELD_OUT) for case in cases(name)] + produced(), ids=named)
def test_a_log_is_given_its_class_or_none(case):
    assert code_of(case.lines, case.status) == case.code


def test_the_evidence_is_a_line_of_the_log():
    for case in [case for name in TUNED for case in cases(name) if case.code]:
        found = classify(exception=None, traceback=None, tail=case.lines, exit_status=case.status)
        assert found.evidence in [line.strip() for line in case.lines] or found.evidence.startswith("killed by signal")


def test_an_exception_that_the_agent_recorded_needs_no_output():
    for case in exceptions():
        message = "\n".join(case.lines[3:])
        assert code_of([], None, message, "\n".join(case.lines)) == case.code, case.name
        assert code_of([], None, message) == case.code, case.name


def test_the_recorded_exception_outranks_the_output():
    printed = [*FRAMES, "torch.cuda.OutOfMemoryError: CUDA out of memory."]
    assert code_of(printed, 1, "KeyError: 'x'") == "key_error"
    assert code_of(printed, 1, "ValueError: bad") is None


def test_an_exception_that_passes_on_another_process_failure_leaves_it_to_the_output():
    printed = ["[rank1]: " + line for line in [*FRAMES, "torch.cuda.OutOfMemoryError: CUDA out of memory."]]
    assert code_of(printed, 1, "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ") == "cuda_oom"


RUNNING = {
    "plain": "step {n} | loss 1.{n:03d} | lr 3.0e-4 | 41.2k tok/s",
    "a logger": "2025-03-01 10:00:{n:02d},123 - INFO - trainer - Epoch [2][{n}/500] lr: 1e-2 loss_cls: 1.{n:03d}",
    "tqdm": "Epoch 3: 12%|██        | {n}/500 [00:{n:02d}<05:00,  1.66it/s, loss=0.{n:03d}]",
    "keras": "{n}/500 ━━━━━━━━━━━━━━━━━━━━ 3s 20ms/step - accuracy: 0.81 - loss: 0.{n:03d}",
    "transformers": "{{'loss': 1.{n:03d}, 'grad_norm': 1.2, 'learning_rate': 4.9e-05, 'epoch': 0.{n:02d}}}",
    "numbers alone": "[{n}] L=1.{n:03d}",
    "JSON": '{{"step": {n}, "train_loss": 1.{n:03d}, "lr": 0.0001}}',
}
"""How training reports that it goes on."""
SURVIVED = (
    ["WARNING: CUDA out of memory on batch 17, retrying with half the batch"],
    ["Requirement already satisfied: oom-utils in ./lib (0.3)"],
    [*FRAMES, "FileNotFoundError: [Errno 2] No such file or directory: '/cache/index.pkl'", "rebuilding the index"],
    ["ERROR:root:failed to fetch a batch: Connection reset by peer; retrying (1/3)"],
    ["ERROR trainer: batch 7 is too big, skipping it", *FRAMES, "RuntimeError: CUDA out of memory."],
    ["config: {oom_retry: true, nccl_timeout: 1800, on_nan: skip, permission: 0644}"],
)
"""What it mentions, or goes through, long before its end."""


@pytest.mark.parametrize("survived", SURVIVED, ids=lambda lines: lines[0][:20])
@pytest.mark.parametrize("running", RUNNING.values(), ids=RUNNING)
def test_what_a_healthy_log_mentions_does_not_hide_its_end(running, survived):
    before = [*[running.format(n=n) for n in range(30)], *survived, *[running.format(n=n) for n in range(30, 60)]]
    ordinary = [*before, *FRAMES, "ValueError: not enough values to unpack (expected 3, got 2)"]
    assert wrong(exceptions(), lambda case: [*before, *case.lines]) == []
    assert code_of(ordinary) is None
    assert code_of(before, -9) is None


LOGGERS = (
    "ERROR 05-14 09:00:21 [core.py:396] ",
    "[2024-01-01, 00:00:07 UTC] {logging_mixin.py:188} INFO - ",
    "a1b2 || ",
)


@pytest.mark.parametrize("prefix", LOGGERS)
def test_a_traceback_that_a_logger_wrote_line_by_line_is_read(prefix):
    assert wrong(exceptions(), lambda case: [prefix + line for line in case.lines]) == []


def test_a_traceback_without_its_indentation_is_read():
    frames = ["Traceback (most recent call last):", 'File "/app/train.py", line 88, in <module>', "main()"]
    assert code_of([*frames, "KeyError: 'mask'"]) == "key_error"


DRESSES = {
    "torchrun": lambda line: f"[rank3]: {line}",
    "torchrun --tee": lambda line: f"[default0]:{line}",
    "mpirun": lambda line: f"[1,0]<stderr>:{line}",
    "srun --label": lambda line: f" 0: {line}",
    "deepspeed": lambda line: f"worker-1: {line}",
    "pdsh": lambda line: f"10.0.0.7: {line}",
    "ray": lambda line: f"\x1b[36m(RayTrainWorker pid=4242, ip=10.0.0.3)\x1b[0m {line}",
    "kubernetes": lambda line: f"2024-05-01T10:00:00.123456789Z stderr F {line}",
    "ts": lambda line: f"[2024-05-01 10:00:00] {line}",
    "srun and torch": lambda line: f"0: [rank0]: {line}",
    "colours": lambda line: f"\x1b[31m{line}\x1b[0m",
}


@pytest.mark.parametrize("dress", DRESSES.values(), ids=DRESSES)
def test_what_launchers_put_before_a_line_changes_nothing(dress):
    assert wrong(exceptions(), lambda case: [dress(line) if line else line for line in case.lines]) == []


SURROUNDINGS = {
    "steps before": lambda lines: [*(f"step {n} loss 0.{n} lr 1e-4" for n in range(150)), *lines],
    "Korean before": lambda lines: ["[정보] 에폭 3 손실 0.31", "데이터를 불러오는 중입니다", *lines],
    "a bar before": lambda lines: ["  3%|▎         | 30/1000 [00:10<05:23,  3.00it/s]" + lines[0], *lines[1:]],
    "a bar left behind": lambda lines: [*lines, "  3%|▎         | 30/1000 [00:11<05:23,  3.00it/s]"],
    "wandb": lambda lines: [*lines, "wandb: Run history:", "wandb: train/loss █▅▁", "wandb: step 30"],
    "a shell": lambda lines: [*lines, "+ echo done", "training ended with status 1", "학습이 끝났습니다"],
    "make": lambda lines: [*lines, "make: *** [Makefile:3: train] Error 1"],
    "teardown": lambda lines: [*lines, "Exception ignored in: <function X.__del__ at 0x7f>", *FRAMES, "TypeError: x"],
    "torchrun": lambda lines: [*lines, *FRAMES, "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: "],
}


@pytest.mark.parametrize("surround", SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_what_stands_around_an_exception_changes_nothing(surround):
    assert wrong(exceptions(), lambda case: surround(case.lines)) == []


AFTERWARDS = {
    "steps": ["step 101 loss 0.30 lr 1e-4", "step 102 loss 0.29 lr 1e-4"],
    "epochs": ["Epoch 4/90: train_loss=0.30 val_acc=0.91"],
    "keras": ["45/100 [=====>.......] - ETA: 3s - loss: 0.31"],
    "trainer": ["{'loss': 0.53, 'grad_norm': 0.4, 'learning_rate': 1e-05, 'epoch': 0.31}"],
    "a bar": [
        " 35%|███▌      | 350/1000 [01:10<02:23,  3.00it/s]",
        "100%|██████████| 1000/1000 [03:10<00:00,  3.00it/s]",
    ],
    "Korean": ["에폭 4 손실 0.29 정확도 0.91"],
    "a retry": ["retrying in 5 s"],
    "a fallback": ["WARNING falling back to the CPU"],
    "a skip": ["skipping this batch"],
}


@pytest.mark.parametrize("status", [1, -9, -15, None])
@pytest.mark.parametrize("after", AFTERWARDS.values(), ids=AFTERWARDS)
def test_an_exception_that_training_outlived_is_not_the_cause(after, status):
    assert [case.name for case in exceptions() if code_of([*case.lines, *after], status)] == []


def test_a_caught_exception_is_not_the_cause_of_a_later_one():
    later = ["loading the data", *FRAMES, "ValueError: bad"]
    assert [case.name for case in exceptions() if code_of([*case.lines, *later])] == []


def test_a_kill_is_not_explained_by_an_exception_after_which_the_program_went_on():
    assert [case.name for case in exceptions() if code_of([*case.lines, "building the graph"], -9)] == []


def test_a_source_line_or_a_table_that_holds_an_error_is_not_one():
    quoted = [[f"    {case.lines[3]}", f"| {case.lines[3]} |", f'raise "{case.lines[3]}"'] for case in exceptions()]
    assert [lines for lines in quoted if code_of(lines)] == []


def test_a_success_has_no_failure():
    assert code_of([*FRAMES, "MemoryError"], 0) is None


@pytest.mark.parametrize(
    ("status", "code"),
    [(-11, "segfault"), (-4, "illegal_instruction"), (-7, "bus_error"), (-2, "keyboard_interrupt"), (139, "segfault")],
)
def test_some_signals_speak_for_themselves(status, code):
    assert code_of([], status) == code


@pytest.mark.parametrize("status", [-9, -15, -6, 137, 143, 1, 255, None])
def test_other_ends_prove_nothing(status):
    assert code_of([], status) is None


def test_the_first_of_several_ranks_to_fail_is_named():
    def rank(number, error):
        return [f"[rank{number}]: {line}" for line in [*FRAMES, error]]

    lines = [*rank(2, "KeyError: 'x'"), *rank(0, "RuntimeError: NCCL error in: x.cpp:1, remote process exited")]
    assert classify(exception=None, traceback=None, tail=lines, exit_status=1) == Failure(
        "key_error", "[rank2]: KeyError: 'x'"
    )


ADVERSARIAL = [
    "w",
    "9",
    " ",
    "a-",
    "a.",
    "(w",
    "1/2 [00:",
    "Loss ",
    "Error: ",
    "NaN Loss ",
    "ab: ",
    "[rank",
    "\t",
    "|",
    "가",
]


@pytest.mark.parametrize("unit", ADVERSARIAL)
def test_long_lines_are_read_in_bounded_time(unit):
    line = (unit * 500)[:500]
    lines = [line, f"ERROR {line}", *FRAMES, f"RuntimeError: {line}"] * 34
    assert code_of(lines[:200]) in (None, "nan_loss")


def test_what_lies_beyond_the_part_of_a_line_that_is_read_changes_nothing():
    for case in exceptions():
        assert (
            code_of([line + " " * (500 - len(line)) + "x" * 9000 for line in case.lines[:3]] + case.lines[3:])
            == case.code
        )


@pytest.mark.parametrize("seed", range(20))
def test_a_jumble_of_lines_has_a_class_that_one_of_them_proves_or_none(seed):
    chance = random.Random(seed)
    lines = [line for case in produced() for line in case.lines]
    for _ in range(10):
        tail = [line[: chance.randrange(200)] for line in chance.sample(lines, 60)]
        found = classify(
            exception=None, traceback=None, tail=tail, exit_status=chance.choice([1, 2, 134, -6, -9, None])
        )
        assert found is None or (found.code in CODES and any(found.evidence in line for line in tail))


def test_lines_of_any_kind_are_read():
    assert code_of(["", "\x00\x1b[31m", "\ud800", "Traceback (most recent call last):"]) is None


def scores(cases):
    right, missed, false = Counter(), Counter(), Counter()
    for case in cases:
        got = code_of(case.lines, case.status)
        right[case.code] += got == case.code
        missed[case.code] += got != case.code
        false[got] += got != case.code
    return [
        2 * right[c] / (2 * right[c] + missed[c] + false[c])
        for c in {*right, *false}
        if right[c] or missed[c] or false[c]
    ]


def test_macro_f1_is_at_least_the_goal():
    for logs in ([case for name in (*TUNED, *HELD_OUT) for case in cases(name)], produced()):
        found = scores(logs)
        assert sum(found) / len(found) >= 0.99


def test_the_page_of_failures_lists_every_class_with_its_advice():
    page = (Path(__file__).parents[3] / "docs" / "failures.md").read_text(encoding="utf-8")
    assert [row for code in CODES if (row := f"| `{code}` | {' | '.join(ENGLISH[code])} |") not in page] == []


def test_every_class_has_examples_a_sentence_and_advice_in_both_languages():
    assert {case.code for name in TUNED for case in cases(name)} - {None} == set(CODES)
    assert set(ENGLISH) == set(KOREAN) == set(CODES)
    assert all(re.search("[가-힣]", text) for texts in KOREAN.values() for text in texts)


def test_a_pattern_matches_nothing_without_its_cue():
    assert cue(r"ran for \d+ milliseconds") == " milliseconds"
    assert cue(r"colou?r") == "colo"
    assert cue(r"(?:a|b) x{2}yz\b") == "yz"
    assert alternatives(r"a(?:b|c)|d[|]e|\|f") == ["a(?:b|c)", "d[|]e", r"\|f"]
    assert all(re.compile(pattern.source) for pattern in (*RAISED, *SAID))
