"""``epochwatchd status``: what it shows, and what it says where there is nothing to show."""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from stored import MESSAGE, NOW, ROW

from epochwatchd import status
from epochwatchd.model import Notice
from epochwatchd.store import Record, Store

HEAVY = ("pydantic", "requests", "apscheduler", "rich", "psutil", "asyncio")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "epochwatch.db"


@pytest.fixture
def store(path):
    store = Store(path, "this boot")
    yield store
    store.close()


@pytest.fixture
def shown(path, tmp_path, monkeypatch, capsys):
    """What the command prints, as its exit status, lines of output and of errors; the store is the one at ``path``."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("epochwatchd.service.paths.SERVICE_STATE", tmp_path / "service")
    (tmp_path / "config.yaml").write_text(f"store: {{path: {path}}}\n")

    def show(config=tmp_path / "config.yaml", **options):
        code = status.run(argparse.Namespace(config=config and str(config), **{"json": False, "all": False, **options}))
        told = capsys.readouterr()
        return code, told.out.splitlines(), told.err.splitlines()

    return show


def ended(number, ago_s=60.0, **changes):
    wall = time.time() - ago_s - number
    return Record(replace(ROW, key=f"e{number}", job=f"ended-{number}", ended_wall=wall, started_wall=wall, **changes))


def test_runs_that_go_on_come_first_then_the_latest_of_those_that_ended_in_the_last_day(store, shown):
    store.record([Record(ROW), *(ended(n) for n in range(300)), ended(0, ago_s=2 * 86400.0)], NOW)
    store.record([ended(999, ago_s=3 * 86400.0)], NOW)
    code, lines, errors = shown()
    assert (code, errors) == (0, [])
    jobs = [line.split()[0] for line in lines]
    assert jobs[:4] == ["JOB", "digits", "ended-1", "ended-2"]
    assert len(lines) == 1 + 1 + status.SHOWN_MOST + 1
    assert lines[-1] == "and 99 more that ended in the last day; `epochwatchd status --all` shows every run"
    assert "ended-999" in {line.split()[0] for line in shown(all=True)[1]}


def test_programs_get_every_run_of_the_last_day(store, shown):
    store.record([Record(ROW), *(ended(n) for n in range(300)), ended(999, ago_s=3 * 86400.0)], NOW)
    _, lines, _ = shown(json=True)
    rows = json.loads("\n".join(lines))
    assert len(rows) == 301
    assert (rows[0]["job"], rows[0]["ended"], rows[0]["started"]) == ("digits", None, "2027-01-15T08:00:00.000Z")
    assert len(json.loads("\n".join(shown(json=True, all=True)[1]))) == 302


def test_nothing_that_a_run_says_moves_the_cursor_or_makes_a_line(store, shown):
    store.record([Record(replace(ROW, job="a\nb\x1b[2J\u202e", run="r\r1", user="x\x07"))], NOW)
    _, lines, _ = shown()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


def test_odd_numbers_are_shown_as_what_they_are(store, shown):
    odd = {"epoch": "NaN", "epochs": None, "step": 7, "loss": "Infinity", "eta_s": "NaN"}
    store.record([Record(replace(ROW, progress=odd, since_wall=1e300)), ended(0, progress={})], NOW)
    store._db.execute("UPDATE run SET progress = '{' WHERE key = 'e0'")
    _, lines, _ = shown()
    assert lines[1].split()[3:7] == ["nan", "7", "inf", "?"]
    assert lines[2].startswith("ended-0")
    assert json.loads("\n".join(shown(json=True)[1]))[0]["since"] is None


def test_that_nobody_watches_is_said(store, shown):
    store.record([Record(ROW)], NOW)
    store.close()
    code, lines, errors = shown()
    assert (code, len(lines)) == (0, 2)
    assert errors == ["epochwatchd: no daemon is running; this is what the last one knew"]


def test_that_no_watchdog_has_run_is_said(shown):
    assert shown() == (1, [], ["epochwatchd: no watchdog has run here yet; `epochwatchd serve` starts one"])


def test_a_damaged_database_and_one_of_another_format_are_told_in_a_line(store, path, shown):
    store.open()
    store._db.execute("PRAGMA user_version = 99")
    store.close()
    code, lines, [error] = shown()
    assert (code, lines) == (1, [])
    assert "newer epochwatchd (format 99)" in error
    path.write_bytes(b"a diary" * 1000)
    code, lines, [error] = shown()
    assert (code, lines) == (1, [])
    assert "the database is damaged" in error


def test_a_bad_configuration_that_was_asked_for_is_told(shown, tmp_path):
    code, _, [error] = shown(config=tmp_path / "nowhere.yaml")
    assert code == 2
    assert "nowhere.yaml" in error


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to be somebody else")
def test_a_database_that_is_not_for_us_is_told_from_one_that_is_not_there(tmp_path):
    place = tmp_path / "state"
    store = Store(place / "epochwatch.db", "this boot")
    store.open()
    store.close()
    os.chown(place, 0, 65534)
    for folder in (place, tmp_path):
        folder.chmod(0o750 if folder == place else 0o755)
    code = f"""
import os
from pathlib import Path
from epochwatchd import status
os.setgroups([]); os.setgid(12345); os.setuid(12345)
try:
    status._store([Path({str(place / "epochwatch.db")!r})])
except status.NothingToReadError as e:
    print(e)
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "is not readable by you" in told
    assert "ask" in told or "join the group" in told


def test_what_status_does_not_need_is_not_imported():
    code = "import sys; from epochwatchd import status; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(HEAVY) & set(loaded)


def test_what_was_not_delivered_is_listed(store, shown):
    message = replace(MESSAGE, job="digits\x1b[31m")
    store.record([Record(ROW, notices=[Notice(message, ["team", "mail", "hook"])])], NOW)
    [team], [mail] = store.pending("team"), store.pending("mail")
    store.mark([(team.id, ())], "dead", "answered 404 no_service", None)
    store.mark([(mail.id, ())], "pending", "answered 503", None)
    _, lines, _ = shown()
    told = [line for line in lines if line.startswith("channel ")]
    assert [line.partition(" (")[0] for line in told] == [
        "channel team: 1 dead letter", "channel mail: 1 message waits",
    ]  # fmt: skip
    assert told[0].endswith("): answered 404 no_service")
    assert "\x1b" not in told[0]
    assert not [line for line in shown(json=True)[1] if "channel " in line]


def test_it_speaks_the_configured_language(store, shown, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"language: ko\n{config.read_text()}")
    store.record([Record(ROW, notices=[Notice(MESSAGE, ["team"])])], NOW)
    store.mark([(store.pending("team")[0].id, ())], "pending", "answered 503", None)
    _, [titles, row, letters], _ = shown()
    assert titles.split() == [
        "작업",
        "실행",
        "판정",
        "원인",
        "에폭",
        "스텝",
        "LOSS",
        "남은",
        "시간",
        "경과",
        "사용자",
        "PID",
    ]
    assert "실행 중" in row
    assert letters.startswith("채널 team: 기다리는 메시지 1개 (마지막: digits ")
    assert json.loads("\n".join(shown(json=True)[1]))[0]["verdict"] == "running"


@pytest.mark.parametrize(("lang", "word"), [("ko_KR.UTF-8", "데몬"), ("en_US.UTF-8", "watchdog")])
def test_where_none_can_be_read_it_speaks_the_terminals(shown, monkeypatch, lang, word):
    monkeypatch.setenv("LANG", lang)
    _, _, [error] = shown(config=None)
    assert word in error
