"""The configuration: YAML in, a frozen Config out, or every mistake at once with its line."""

from flatlined.config.crontab import Crontab
from flatlined.config.describe import describe
from flatlined.config.durations import format_duration, parse_duration
from flatlined.config.load import find, load
from flatlined.config.problems import ConfigError, Problem
from flatlined.config.settings import (
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
