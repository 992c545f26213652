from dataclasses import FrozenInstanceError, fields

import pytest
from pydantic import BaseModel, SecretStr

from epochwatchd.config import (
    ChannelConfig,
    Config,
    ConfigError,
    Expected,
    Heartbeats,
    JobRule,
    Match,
    Problem,
    Route,
    StoreConfig,
    describe,
)
from epochwatchd.config.crontab import parse_crontab
from epochwatchd.config.schema import PolicySection
from epochwatchd.model import Policy


class Options(BaseModel):
    url: SecretStr = SecretStr("https://secret.example")
    title: str = "none"


def config(**changes):
    whole = {
        "heartbeats": Heartbeats(), "defaults": Policy(max_runtime_s=60), "jobs": (), "channels": {}, "routes": (),
        "store": StoreConfig(), "language": "en",
    }  # fmt: skip
    return Config(**{**whole, **changes})


def test_the_first_matching_rule_is_laid_over_the_defaults():
    rules = (
        JobRule("resnet-debug", {"silent_after_s": 7200.0, "max_runtime_s": None}),
        JobRule("resnet*", {"silent_after_s": 900.0}),
    )
    policy = config(jobs=rules).policy
    assert policy("resnet-debug") == Policy(silent_after_s=7200, max_runtime_s=None)
    assert policy("resnet50") == Policy(silent_after_s=900, max_runtime_s=60)
    assert policy("ResNet50") == Policy(max_runtime_s=60)


def test_a_policy_is_looked_up_once_a_job():
    policy = config(jobs=(JobRule("*", {"silent_after_s": 5.0}),)).policy
    assert policy("a") is policy("a")


def test_every_field_of_a_policy_can_be_configured():
    assert {f"{name}_s" for name in PolicySection.model_fields} == {field.name for field in fields(Policy)}


def test_a_config_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        config().language = "ko"


def test_secrets_are_in_no_text_of_a_config():
    whole = config(
        heartbeats=Heartbeats(key=b"hunter2"),
        channels={"team": ChannelConfig("slack", Options(url=SecretStr("https://hunter2")))},
    )
    assert "hunter2" not in repr(whole)
    assert "hunter2" not in "\n".join(describe(whole))
    assert any(line.startswith("channel team: slack, url ***") for line in describe(whole))


def test_a_description_notes_what_never_takes_effect():
    whole = config(
        jobs=(JobRule("a*"), JobRule("a*"), JobRule("*"), JobRule("b")),
        routes=(Route(to=("x",), continue_=True), Route(Match(job=("a",))), Route(), Route()),
    )
    assert [line for line in describe(whole) if line.startswith("note")] == [
        "note: there is no channel: nobody will be told anything",
        "note: the routes after route 3 are never reached: it takes everything",
        "note: the rule for jobs a* is never reached: an earlier one for a* takes them",
        "note: the rule for jobs b is never reached: an earlier one for * takes them",
    ]


def test_a_rule_that_only_expects_takes_effect_wherever_it_stands():
    nightly = Expected(parse_crontab("30 2 * * *"), 900.0)
    whole = config(channels={"a": ChannelConfig("b", Options())}, jobs=(JobRule("*"), JobRule("a", expected=nightly)))
    assert not [line for line in describe(whole) if line.startswith("note")]


def test_a_config_error_lists_its_problems_by_line():
    late, early = Problem("f.yaml", 9, "a.b", "is wrong"), Problem("f.yaml", 2, "", "is odd", "make it even")
    error = ConfigError([late, early, late])
    assert error.problems == (early, late)
    assert str(error) == "f.yaml:2: is odd (make it even)\nf.yaml:9: a.b: is wrong"
