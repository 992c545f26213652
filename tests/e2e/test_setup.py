"""``epochwatchd setup`` at a real terminal of 80 columns: from nothing to the first alert, again, and interrupted."""

import os
import stat
import subprocess
import sys
from queue import SimpleQueue

import pytest
from harness import DEADLINE_S, Daemon, eventually
from terminal import CTRL_C, DOWN, ENTER, SPACE, Terminal
from vendors import said, serving

SETUP = [sys.executable, "-m", "epochwatchd.cli", "setup", "-c"]
LINES_TO_SLACK = 3
"""How far down it stands in the list of services."""


@pytest.fixture
def env(tmp_path):
    return {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LANG": "ko_KR.UTF-8", "PYTHONUTF8": "1"}


@pytest.fixture
def slack():
    """A receiver for Slack's messages; ``url`` is secret."""
    taken = SimpleQueue()

    class Slack:
        def answer(self, asked):
            taken.put(asked.json()["text"])
            return said(200, "ok")

        def next(self):
            return taken.get(timeout=DEADLINE_S)

    found = Slack()
    with serving() as serve:
        found.url = serve(found.answer) + "/services/T0/B0/geheim"
        yield found


@pytest.fixture
def sit_down(env):
    """What opens a terminal with setup in it."""
    opened = []

    def open_one(path, **more):
        opened.append(Terminal([*SETUP, str(path)], {**env, **more}))
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal.close()


def choose_slack(terminal, slack):
    terminal.see("한국어")
    terminal.type(ENTER)
    terminal.see("어디로")
    terminal.type(*[DOWN] * LINES_TO_SLACK, SPACE, ENTER)
    terminal.see("웹훅 URL")
    terminal.type(slack.url, ENTER)
    terminal.see("slack: 성공")


def through(terminal, slack):
    """Everything, from the first question to the last."""
    choose_slack(terminal, slack)
    terminal.choose("short")
    terminal.choose("시작을 뺀 모두")
    terminal.choose("저장하고")
    return terminal.end()


def test_from_nothing_to_the_first_alert(tmp_path, sit_down, slack):
    terminal = sit_down(tmp_path / "etc" / "config.yaml")
    assert through(terminal, slack) == 0
    assert "시험" in slack.next()
    assert b"geheim" not in terminal.everything
    config = tmp_path / "etc" / "config.yaml"
    with Daemon() as daemon:
        daemon.stop()
        daemon.config_file.write_text(
            config.read_text() + f"heartbeats: {{udp: off}}\nstore: {{path: {daemon.store}}}\n"
        )
        (daemon.folder / "slack-url").write_text((config.parent / "slack-url").read_text())
        daemon.start()
        training = daemon.train("from epochwatch import agent; agent.beat(1, 0.5); input()", job="lenet")
        eventually(lambda: any("a run began: lenet" in line for line in daemon.log))
        training.kill()
        told = slack.next()
    assert told.startswith("💀")
    assert "lenet 비정상 종료: SIGKILL" in told


def test_a_service_that_runs_reads_it_again(tmp_path, env, sit_down, slack):
    """systemctl is stood in for by a script that keeps what it is asked."""
    (tmp_path / "bin").mkdir()
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    systemctl.chmod(0o755)
    terminal = sit_down(tmp_path / "config.yaml", PATH=f"{tmp_path}/bin:{env['PATH']}")
    through(terminal, slack)
    assert "실행 중인 서비스가 새 설정을 읽었습니다" in terminal.text
    assert (tmp_path / "asked").read_text().splitlines() == [
        "--user is-active --quiet epochwatchd", "--user reload epochwatchd",
    ]  # fmt: skip


def test_what_it_writes_only_its_owner_reads(tmp_path, sit_down, slack):
    through(sit_down(tmp_path / "etc" / "config.yaml"), slack)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "etc").iterdir()}
    assert modes == {"config.yaml": 0o600, "slack-url": 0o600}


def test_again_it_changes_what_is_there(tmp_path, sit_down, slack):
    path = tmp_path / "config.yaml"
    through(sit_down(path), slack)
    again = sit_down(path)
    again.see("한국어")
    again.type(ENTER)
    again.choose("채널별로")
    again.choose("심각한 일만")
    again.choose("저장하고")
    assert again.end() == 0
    assert "severity: critical" in path.read_text()


@pytest.mark.parametrize("step", ["한국어", "어디로", "웹훅 URL", "slack: 성공"])
def test_ctrl_c_leaves_nothing(tmp_path, sit_down, slack, step):
    terminal = sit_down(tmp_path / "etc" / "config.yaml")
    if step == "slack: 성공":
        choose_slack(terminal, slack)
    else:
        for text, keys in {"한국어": [ENTER], "어디로": [*[DOWN] * LINES_TO_SLACK, SPACE, ENTER]}.items():
            terminal.see(text)
            if text == step:
                break
            terminal.type(*keys)
        terminal.see(step)
    terminal.type(CTRL_C)
    assert terminal.end() == 1
    assert "바꾼 것이 없습니다" in terminal.text or "Nothing was changed" in terminal.text
    assert not (tmp_path / "etc").exists()


def test_a_faulty_configuration_is_left_alone(tmp_path, sit_down):
    path = tmp_path / "config.yaml"
    path.write_text("channels: {team: {kind: slak}}\n")
    terminal = sit_down(path)
    assert terminal.end() == 2
    assert ("혹시 slack?" in terminal.text, path.read_text()) == (True, "channels: {team: {kind: slak}}\n")


@pytest.mark.parametrize(("lang", "word"), [("ko_KR.UTF-8", "터미널"), ("en_US.UTF-8", "terminal")])
def test_without_a_terminal_it_says_what_to_write(tmp_path, env, lang, word):
    path = tmp_path / "etc" / "config.yaml"
    done = subprocess.run(
        [*SETUP, path], env={**env, "LANG": lang}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert (done.returncode, word in done.stdout, done.stderr, path.exists()) == (2, True, "", False)
    block = done.stdout.split("\n\n")[1]
    path.parent.mkdir()
    path.write_text(block)
    for name in ("slack-url", "naver-password"):
        (path.parent / name).write_text("https://hooks.slack.com/services/T0/B0/X" if "url" in name else "password")
    checked = subprocess.run(
        [sys.executable, "-m", "epochwatchd.cli", "check", "-c", path],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
