import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from epochwatchd.config import ConfigError, describe, load
from epochwatchd.config.schema import (
    FileSection,
    HeartbeatsSection,
    JobSection,
    MatchSection,
    RouteSection,
    StoreSection,
)
from epochwatchd.config.validation import fields_of

SECTIONS = (FileSection, HeartbeatsSection, JobSection, MatchSection, RouteSection, StoreSection)
KEYS = st.sampled_from(
    sorted({key for section in SECTIONS for key in fields_of(section)} | {"kind", "url", "url_file"})
)
WORDS = ["5m", "auto", "off", "hook", "team", "critical", "crashed", "127.0.0.1:1", "${X}", "config.yaml", "\0"]
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from(WORDS),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
FILES = VALUES | st.fixed_dictionaries({}, optional=dict.fromkeys(fields_of(FileSection), VALUES))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("any") / "config.yaml"


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(value=FILES)
def test_any_structure_is_loaded_or_refused_with_lines(path, kinds, value):
    text = yaml.safe_dump(value, allow_unicode=True)
    path.write_bytes(text.encode("utf-8", "replace"))
    assert all(problem.line >= 1 and problem.message and str(problem) for problem in problems_of(path, kinds))


def problems_of(path, kinds):
    try:
        describe(load(path, kinds=kinds, env={"X": "x"}))
    except ConfigError as e:
        return e.problems
    return ()
