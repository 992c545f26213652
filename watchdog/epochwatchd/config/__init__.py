"""The configuration: YAML in, a frozen Config out, or every mistake at once with its line.

``schema`` says what may stand in the file, ``settings`` what the others see. Nothing here reads the world but the file.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from epochwatchd.config.crontab import Crontab
from epochwatchd.config.durations import format_duration, parse_duration
from epochwatchd.config.explain import explain
from epochwatchd.config.glance import find, spoken
from epochwatchd.config.problems import ConfigError, Problem
from epochwatchd.config.settings import (
    OWNER,
    Address,
    ChannelConfig,
    Config,
    Escalation,
    Expected,
    Heartbeats,
    JobRule,
    Language,
    Match,
    Quiet,
    Route,
    StoreConfig,
    Unsaved,
)

if TYPE_CHECKING:
    from epochwatchd.config.describe import describe
    from epochwatchd.config.load import load

__all__ = [
    "OWNER",
    "Address",
    "ChannelConfig",
    "Config",
    "ConfigError",
    "Crontab",
    "Escalation",
    "Expected",
    "Heartbeats",
    "JobRule",
    "Language",
    "Match",
    "Problem",
    "Quiet",
    "Route",
    "StoreConfig",
    "Unsaved",
    "describe",
    "explain",
    "find",
    "format_duration",
    "load",
    "parse_duration",
    "spoken",
]


def __getattr__(name: str) -> Any:
    """``load`` and ``describe`` bring pydantic: a tenth of a second that ``epochwatchd status`` does without."""
    if name not in ("load", "describe"):
        raise AttributeError(f"module {__name__} has no {name}")
    function = getattr(import_module(f"{__name__}.{name}"), name)
    globals()[name] = function  # in place of the module of that name
    return function
