import pytest
from hypothesis import given
from hypothesis import strategies as st

from epochwatchd.config import ConfigError
from epochwatchd.config.document import DEPTH_MAX, read_document


def problems(data):
    """The problems of a text as (line, message), whether they stopped the reading or not."""
    try:
        found = read_document(data if isinstance(data, bytes) else data.encode(), "f").problems.values()
    except ConfigError as e:
        found = e.problems
    return [(problem.line, problem.message) for problem in found]


def test_keys_and_items_know_their_lines():
    document = read_document(b"a:\n  b: 1\n\nc:\n  - x\n  - y: 2\n    z: 3\n", "f")
    assert document.value == {"a": {"b": 1}, "c": ["x", {"y": 2, "z": 3}]}
    assert document.lines == {
        (): 1, ("a",): 1, ("a", "b"): 2, ("c",): 4, ("c", 0): 5, ("c", 1): 6, ("c", 1, "y"): 6, ("c", 1, "z"): 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"), ("yes", "yes"), ("1:30", "1:30"), ("2026-01-01", "2026-01-01"), ("0x10", "0x10"),
        ("true", True), ("False", False), ("~", None), ("", None), ("null", None), ("010", 10), ("-3", -3),
        ("1.5", 1.5), ("'5'", "5"), ("!!str 5", "5"), ("9" * 30, 1e30), (".", "."), ("1e", "1e"),
    ],
)  # fmt: skip
def test_scalars_are_what_they_look_like(text, value):
    assert read_document(f"key: {text}".encode(), "f").value == {"key": value}


def test_keys_are_texts_whatever_they_look_like():
    assert read_document(b"1: a\nnull: b\ntrue: c", "f").value == {"1": "a", "null": "b", "true": "c"}


@pytest.mark.parametrize("data", [b"", b"# nothing\n", b"---\n", b"\xef\xbb\xbf"])
def test_a_file_without_content_has_no_value(data):
    assert read_document(data, "f").value is None


def test_aliases_are_read():
    assert read_document(b"a: &x {k: 1}\nb: *x", "f").value == {"a": {"k": 1}, "b": {"k": 1}}


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        ("a: 1\na: 2\n", 2, "given twice"),
        ("x:\n  a: 1\n  b: 2\n  a: 3\n", 4, "given twice"),
        ("a: 1\n\tb: 2\n", 2, "'\\t'"),
        ("a: [1, 2\nb: 3\n", 2, "flow sequence"),
        ("a: 'open\n", 2, "end of stream"),
        ("a: 1\n---\nb: 2\n", 2, "single document"),
        ("a: *b\n", 1, "undefined alias"),
        ("? [1, 2]\n: 3\n", 1, "a key must be a text"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "!tag"),
        ("a: !!int x\n", 1, "!tag"),
        ("a: !!set {x}\n", 1, "!tag"),
        ("a: 1\nb: \x07\n", 2, "control character (U+0007)"),
        (b"a: 1\nb: \xff\n", 2, "not UTF-8"),
        (b"\xff\xfea\x00", 1, "not UTF-8"),
        ("a: 1\nb: " + "[" * (DEPTH_MAX + 1) + "]" * (DEPTH_MAX + 1), 2, "nested too deep"),
        ("[" * 100_000, 1, "nested too deep"),
        ('a: "\\ud800"', 1, "surrogate"),
        ("a: &a [*a]\n", 1, "too many"),
    ],
)
def test_what_is_not_yaml_is_one_problem_with_its_line(data, line, message):
    [(found_line, found)] = problems(data)
    assert found_line == line
    assert message in found


def test_a_billion_laughs_are_refused():
    pairs = zip("abcdefghi", "bcdefghij", strict=True)
    levels = "\n".join(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in pairs)
    [(_, message)] = problems(f"a: &a [lol]\n{levels}")
    assert "too many" in message


@pytest.mark.parametrize(
    "value", ["*hunter2", "&hunter2 &hunter2 x", "!hunter2 x", "!hunter2!y x", "@hunter2", "%hunter2"]
)
def test_a_password_that_upsets_yaml_is_not_quoted_back(value):
    [(_, message)] = problems(f"password: {value}")
    assert "hunter2" not in message


@given(st.binary() | st.text(alphabet="ab:-[]{}*&!#'\"\n\t |>%@?,~$1").map(str.encode))
def test_any_bytes_are_read_or_refused_with_a_line(data):
    assert all(line >= 1 for line, _ in problems(data))
