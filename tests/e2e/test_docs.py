"""What README and docs show is run: Python, shell lines and configurations."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from harness import Daemon, free_udp_port

from epochwatchd import config
from epochwatchd.alerting.channels import KINDS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language, pages=PAGES):
    """Every code block of a language, with where it stands."""
    found = []
    for page in pages:
        texts = re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        found += [pytest.param(text, id=f"{page.name} {number}") for number, text in enumerate(texts)]
    return found


@pytest.fixture
def daemon():
    port = free_udp_port()
    with Daemon({"heartbeats": {"udp": f"127.0.0.1:{port}"}}) as daemon:
        daemon.udp = port
        yield daemon


FOR_ALL = [page for page in PAGES if "frameworks" not in page.name]
"""Those whose Python needs no framework; the others are tried in test_frameworks.py."""


@pytest.mark.parametrize("code", blocks("python", FOR_ALL))
def test_python_runs_and_its_finish_is_told(daemon, code):
    assert daemon.train(code).wait() == 0
    assert daemon.wait_for()["kind"] == "finished"


@pytest.mark.parametrize("text", blocks("yaml"))
def test_configurations_are_understood(tmp_path, text):
    for name in re.findall(r"_file: ([\w-]+)", text):
        content = "json://localhost/x" if name == "apprise-url" else "https://hooks.slack.com/services/T0/B0/x"
        (tmp_path / name).write_text(content)
    (tmp_path / "config.yaml").write_text(text)
    kinds = {name: module.Options for name, module in KINDS.items()}
    assert config.load(tmp_path / "config.yaml", kinds=kinds, env={}).channels


def shell_lines():
    """The lines that need nothing but this environment; installing and removing is tried in tests/e2e/systemd."""
    for param in blocks("sh"):
        for line in param.values[0].splitlines():
            if line.startswith(("epochwatch ", "echo ")):
                yield pytest.param(line, id=f"{param.id}: {line.split('#')[0].strip()[:40]}")


def here(line, daemon):
    """A line with the addresses of this test's daemon, and the ids of what is wrong and muted there."""
    if "6f1c" in line:
        daemon.train("from epochwatch import agent; agent.beat(1); raise ValueError").wait()
        line = line.replace("6f1c", daemon.wait_for(kind="crashed")["id"][:8])
    if "3f2a" in line:
        made = daemon.run("epochwatch", "mute", "job=x", "--for", "1h", "--why", "a test").stdout
        line = line.replace("3f2a", made.split("unmute ")[1].split()[0])
    if "nc -" in line and shutil.which("nc") is None:
        pytest.skip("netcat-openbsd is not installed")
    return line.replace("/8765", f"/{daemon.udp}").replace("/run/epochwatchd", f"{daemon.folder}/epochwatchd")


@pytest.mark.parametrize("line", list(shell_lines()))
def test_shell_lines_run(daemon, line):
    done = daemon.run("bash", "-c", here(line, daemon))
    assert done.returncode == 0
    assert not re.search("error|Traceback", done.stderr)


@pytest.mark.parametrize(("way", "verified"), [("/dev/udp", False), ("nc -uU", True)])
def test_the_json_datagrams_of_the_readme_are_runs(daemon, way, verified):
    [line] = [p.values[0] for p in shell_lines() if "README.md" in p.id and way in p.values[0]]
    daemon.run("bash", "-c", here(line, daemon))
    started = daemon.wait_until_watched("resnet50")
    assert (started["progress"]["loss"], started["verified"]) == (0.21, verified)


def test_every_make_target_that_is_named_is_there():
    text = "".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"^make (\w+)|`make (\w+)`", text, re.MULTILINE))
    help_text = subprocess.run(["make", "-qp"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    assert all(f"\n{a or b}:" in help_text for a, b in named)


def test_every_link_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name} links to {target}"


def test_both_languages_show_the_same_code_for_frameworks():
    english, korean = (ROOT / f"docs/frameworks{suffix}.md" for suffix in ("", ".ko"))
    for language in ("python", "sh", "text"):
        assert [b.values for b in blocks(language, [english])] == [b.values for b in blocks(language, [korean])]
