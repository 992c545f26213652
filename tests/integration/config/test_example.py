import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from epochwatchd.alerting.channels import KINDS
from epochwatchd.config import ConfigError, describe, load
from epochwatchd.config.schema import Section
from epochwatchd.config.validation import fields_of, keys_of

EXAMPLE = Path(__file__).parents[3] / "config.example.yaml"


def sections(of=Section):
    """Every section that there is."""
    return [section for one in of.__subclasses__() for section in (one, *sections(one))]


ENV = dict.fromkeys(re.findall(r"\$\{([A-Z_]+)\}", EXAMPLE.read_text("utf-8")), "geheim-0123")


@pytest.fixture(scope="module")
def real_kinds():
    return {name: module.Options for name, module in KINDS.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files that the example names."""
    folder = tmp_path_factory.mktemp("example")
    for name in re.findall(r"_file: ([\w-]+)", EXAMPLE.read_text("utf-8")):
        (folder / name).write_text("https://secret.example/x")
    return folder


def load_text(text, folder, kinds):
    path = folder / "config.yaml"
    path.write_text(text, "utf-8")
    return load(path, kinds=kinds, env=ENV)


def test_the_example_is_a_valid_configuration(folder, real_kinds):
    config = load_text(EXAMPLE.read_text("utf-8"), folder, real_kinds)
    assert not [line for line in describe(config) if line.startswith("note")]
    shown = {channel.kind for channel in config.channels.values()}
    assert shown == set(KINDS) - {"desktop", "sound", "apprise"}, "these three need what a server may not have"


@pytest.mark.parametrize("line", re.findall(r"^ +# \w+: .*$", EXAMPLE.read_text("utf-8"), re.MULTILINE))
def test_every_alternative_in_the_example_is_valid(folder, real_kinds, line):
    key = re.search(r"(\w+?)(_file)?:", line)[1]
    channel = next(part for part in EXAMPLE.read_text("utf-8").split("\n\n") if line in part)
    instead = re.sub(rf"^ +{key}(_file)?: .*$", "", channel, flags=re.MULTILINE).replace(
        line, line.replace("# ", "", 1)
    )
    load_text(f"channels:\n{instead.removeprefix('channels:')}", folder, real_kinds)


def test_the_example_says_that_it_shows_the_defaults_and_does(folder, real_kinds):
    shown, built_in = load_text(EXAMPLE.read_text("utf-8"), folder, real_kinds), load(None, kinds=real_kinds, env={})
    assert (shown.defaults, shown.store, shown.language) == (built_in.defaults, built_in.store, built_in.language)
    assert shown.heartbeats.udp == built_in.heartbeats.udp


def test_the_example_names_every_key(real_kinds):
    text = EXAMPLE.read_text("utf-8")
    keys = {key for section in sections() for key in fields_of(section)}
    keys |= {key for options in real_kinds.values() for key in keys_of(options)}
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}:", text)] == []


def test_the_example_shows_every_kind(real_kinds):
    assert set(re.findall(r"kind: (\w+)", EXAMPLE.read_text("utf-8"))) >= set(real_kinds)


def problems_of(text, folder, kinds):
    try:
        describe(load_text(text, folder, kinds))
    except ConfigError as e:
        return e.problems
    return ()


LINES = EXAMPLE.read_text("utf-8").splitlines()
WORDS = st.sampled_from(
    [*{word for line in LINES for word in re.findall(r"[\w.*${}:\[\]-]+", line)}, "", "0", "~", "\t"]
)
MUTATIONS = st.lists(st.tuples(st.integers(0, len(LINES) - 1), st.integers(0, 8), WORDS, st.booleans()), max_size=5)


def mutated(changes):
    """The example with words replaced and lines taken away, moved in or out, or doubled."""
    lines = [*LINES]
    for at, word_at, word, doubled in changes:
        words = re.split(r"(\s+)", lines[at])
        words[word_at % len(words)] = word
        lines[at] = "".join(words) + ("\n" + lines[at] if doubled else "")
    return "\n".join(lines)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changes=MUTATIONS)
def test_a_damaged_example_is_loaded_or_refused_with_lines(folder, real_kinds, changes):
    text = mutated(changes)
    found = problems_of(text, folder, real_kinds)
    assert all(1 <= problem.line <= text.count("\n") + 2 and problem.message for problem in found)
