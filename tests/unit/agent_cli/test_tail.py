import pytest

from epochwatch.tail import LINE_CHARS, LINES, Tail, shown

STDOUT, STDERR = 1, 2


def tail_of(*chunks, stream=STDOUT):
    tail = Tail()
    for chunk in chunks:
        tail.feed(stream, chunk)
    return tail.lines()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"plain", "plain"),
        (b"windows line end\r", "windows line end"),
        (b" 10%\r 50%\r100%", "100%"),
        (b"downloading\rdone", "doneloading"),
        (b"downloading\r\x1b[Kdone", "done"),
        (b"downloading\rdone\x1b[K", "done"),
        (b"downloading\r" + b" " * 11 + b"\r", ""),
        (b"\x1b[1;31mError\x1b[0m: no", "Error: no"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1b]8;;http://a\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"bell\x07 and nul\x00", "bell and nul"),
        (b"a\tb", "a\tb"),
        ("손실 0.21".encode(), "손실 0.21"),
        (b"broken \xff\xfe bytes", "broken \ufffd\ufffd bytes"),
        (b"\x1b", ""),
    ],
)
def test_a_line_is_kept_as_a_terminal_shows_it_last(line, text):
    assert shown(line) == text


def test_lines_are_put_together_from_chunks_cut_anywhere():
    assert tail_of(b"on", b"e\ntw", b"o\n\nthr", b"ee") == ("one", "two", "", "three")


def test_only_the_last_lines_are_kept():
    lines = tail_of(b"".join(b"line %d\n" % i for i in range(1000)))
    assert len(lines) == LINES
    assert lines[0] == "line 800"
    assert lines[-1] == "line 999"


def test_a_long_line_keeps_its_beginning():
    (line,) = tail_of(b"RuntimeError: ", b"x" * 100_000, b"\n")
    assert line == "RuntimeError: " + "x" * (LINE_CHARS - len("RuntimeError: "))


def test_a_progress_bar_without_line_ends_keeps_its_last_state():
    assert tail_of(*(b"\r%6d/100000" % i for i in range(100_000))) == (" 99999/100000",)


def test_memory_stays_bounded_whatever_comes():
    tail = Tail()
    for _ in range(1000):
        tail.feed(STDOUT, b"x" * 65536)
        tail.feed(STDERR, b"y" * 5000 + b"\n")
    assert sum(map(len, tail.lines())) <= LINES * LINE_CHARS


def test_streams_do_not_cut_into_each_others_lines():
    tail = Tail()
    tail.feed(STDOUT, b"loss ")
    tail.feed(STDERR, b"warning\n")
    tail.feed(STDOUT, b"0.2\n")
    assert tail.lines() == ("warning", "loss 0.2")
