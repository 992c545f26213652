"""What the tests of setup share."""

from dataclasses import replace

import pytest

from epochwatchd.alerting.catalogue import example
from epochwatchd.alerting.routing import channels_for

SEVERITIES = {"started": "info", "finished": "info", "stalled": "warning", "crashed": "critical"}


@pytest.fixture
def alerts():
    """What gives each kind of message with the channels that a configuration sends it to."""

    def sent(config):
        told = [(kind, replace(example(kind, None), severity=severity)) for kind, severity in SEVERITIES.items()]
        return [(kind, channels_for(config.routes, config.people, message)) for kind, message in told]

    return sent
