"""``ack``, ``mute``, ``mutes``, ``unmute``: what is asked and printed. The daemon's end is a stand-in."""

import json
import socketserver
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler

import pytest

MUTE = {
    "id": "3f2a",
    "match": {"job": ["resnet*"]},
    "until": "2026-11-28T12:00:00.000Z",
    "who": "mina",
    "why": "moving the data",
    "owner": "mina",
}


class Watchdog(socketserver.UnixStreamServer):
    """Answers by method and path, and keeps what it was asked."""

    def __init__(self, path):
        self.asked, self.answers = [], {}
        super().__init__(path, self._handler())

    def _handler(watchdog):  # noqa: N805 - `self` is the handler's in here
        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                watchdog.asked.append((f"{self.command} {self.path}", body))
                status, said = watchdog.answers.get(f"{self.command} {self.path}", (404, {"error": "not known"}))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(said).encode())

            do_GET = do_POST = do_DELETE = answer  # noqa: N815 - as http.server calls them

            def address_string(self):
                return "-"

            def log_message(self, *_):
                """Say nothing."""

        return Handler


@pytest.fixture
def watchdog(tmp_path, environment):
    environment["EPOCHWATCH_CONTROL"] = str(tmp_path / "control")
    with Watchdog(environment["EPOCHWATCH_CONTROL"]) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def run(epochwatch):
    return partial(epochwatch, encoding="utf-8")


def test_ack_names_what_was_seen_and_counts_the_others(run, watchdog):
    seen = [{"id": "6f1c2d", "job": "resnet50", "kind": "crashed", "host": "gpu01"}, {"id": "6f1caa"}]
    watchdog.answers["POST /v1/ack"] = 200, seen
    done = run("ack", "6f1c", "--for", "2h", "--note", "on my way")
    assert done.stdout.splitlines() == [
        "seen: resnet50 (crashed, gpu01)", "and 1 more that were told in the same message",
    ]  # fmt: skip
    assert watchdog.asked == [("POST /v1/ack", {"ids": ["6f1c"], "for_s": 7200.0, "note": "on my way"})]


def test_a_refusal_is_said_and_is_a_failure(run, watchdog):
    watchdog.answers["POST /v1/ack"] = 403, {"error": "6f1c is of user jiho"}
    done = run("ack", "6f1c")
    assert (done.returncode, done.stderr) == (1, "epochwatch: 6f1c is of user jiho\n")


def test_mute_says_what_it_meets_and_how_to_take_it_back(run, watchdog):
    watchdog.answers["POST /v1/mutes"] = 200, {**MUTE, "runs": 0, "of": 3}
    done = run("mute", "job=resnet*", "tag.team=nlp,vision", "--for", "90m", "--why", "moving")
    assert "take it back: epochwatch unmute 3f2a" in done.stdout
    assert "only of runs of mina" in done.stdout
    assert "0 of the 3 runs that are watched now match; is that what you meant?" in done.stdout
    match = {"job": ["resnet*"], "tag": {"team": ["nlp", "vision"]}}
    assert watchdog.asked == [("POST /v1/mutes", {"match": match, "for_s": 5400.0, "why": "moving", "all": False})]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["mute", "job=x", "--why", "y"], "--for"),
        (["mute", "job=x", "--for", "2h"], "--why"),
        (["mute", "resnet", "--for", "2h", "--why", "y"], "must be written NAME=PATTERN"),
        (["mute", "job=x", "--for", "soon", "--why", "y"], "--for"),
        (["ack"], "ID"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_a_mistake_in_the_line_is_said(run, watchdog, line, said):
    done = run(*line)
    assert done.returncode == 2
    assert said in done.stderr
    assert watchdog.asked == []


def test_mutes_are_listed(run, watchdog):
    watchdog.answers["GET /v1/mutes"] = 200, [MUTE]
    line = run("mutes").stdout
    assert line.startswith("3f2a  until 2026-11-28 ")
    assert line.endswith("job=resnet* of mina  mina: moving the data\n")
    assert json.loads(run("mutes", "--json").stdout) == [MUTE]
    watchdog.answers["GET /v1/mutes"] = 200, []
    assert run("mutes").stdout == "nothing is muted\n"


def test_what_is_muted_cannot_write_to_the_terminal(run, watchdog):
    watchdog.answers["GET /v1/mutes"] = 200, [{**MUTE, "why": "a\x1b[2Jb"}]
    assert "\x1b" not in run("mutes").stdout


def test_each_mute_is_taken_back(run, watchdog):
    watchdog.answers = {f"DELETE /v1/mutes/{name}": (200, MUTE) for name in ("3f2a", "0000")}
    assert run("unmute", "3f2a", "0000").stdout == "3f2a is heard of again\n0000 is heard of again\n"


@pytest.mark.parametrize("answer", [(200, "no JSON"), (500, [])])
def test_an_answer_that_is_none_is_no_traceback(run, watchdog, answer):
    watchdog.answers["GET /v1/mutes"] = answer
    done = run("mutes")
    assert "Traceback" not in done.stderr


def test_where_no_watchdog_listens_that_is_said(run, environment, tmp_path):
    environment["EPOCHWATCH_CONTROL"] = str(tmp_path / "nobody")
    done = run("mutes")
    assert done.returncode == 1
    assert "no watchdog listens" in done.stderr
