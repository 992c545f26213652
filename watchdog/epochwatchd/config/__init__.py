"""The configuration: YAML in, a frozen Config out, or every mistake at once with its line."""

from epochwatchd.config.crontab import Crontab
from epochwatchd.config.describe import describe
from epochwatchd.config.durations import format_duration, parse_duration
from epochwatchd.config.load import find, load
from epochwatchd.config.problems import ConfigError, Problem
from epochwatchd.config.settings import (
    Address,
    ChannelConfig,
    Config,
    Expected,
    Heartbeats,
    JobRule,
    Language,
    Match,
    Route,
    StoreConfig,
)

__all__ = [
    "Address",
    "ChannelConfig",
    "Config",
    "ConfigError",
    "Crontab",
    "Expected",
    "Heartbeats",
    "JobRule",
    "Language",
    "Match",
    "Problem",
    "Route",
    "StoreConfig",
    "describe",
    "find",
    "format_duration",
    "load",
    "parse_duration",
]
