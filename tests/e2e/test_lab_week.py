"""A week of a lab on a clock that is moved, as ``bench/lab_week.py`` prints it: what people get, read by a machine."""

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "bench" / "lab_week.py"


def test_a_week_of_a_lab_is_told_once_and_in_few_messages():
    said = subprocess.check_output([sys.executable, SCRIPT, "--print"], text=True, timeout=170)
    messages = [line.split(maxsplit=4) for line in said.splitlines() if re.match(r"[A-Z][a-z]{2} \d\d:", line)]
    mina = [text for _, _, channel, _, text in messages if channel == "own-mina" and "out of memory" in text]
    assert any("39 runs crashed" in text for text in mina)  # the sweep; its first was told at once
    restarts = [text for _, _, channel, _, text in messages if channel == "own-dongwoo" and "loops" in text]
    assert len(restarts) < 20
    assert sum(int(found[1]) if (found := re.search(r"(\d+) runs of", text)) else 1 for text in restarts) == 300
