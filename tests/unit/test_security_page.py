"""docs/security.md: every test that it names is there, every drop-in that it names, too."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text("utf-8")


def test_every_test_that_it_names_is_there():
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in re.findall(r"`(test_\w+)`", PAGE) if f"def {name}(" not in tests] == []


@pytest.mark.parametrize("path", sorted((ROOT / "systemd/relax").iterdir()), ids=lambda path: path.name)
def test_every_drop_in_is_named_and_says_what_it_buys_and_costs(path):
    assert f"`{path.name}`" in PAGE
    first = path.read_text("utf-8").splitlines()[0]
    assert "Buys: " in first
    assert "Costs: " in first
