"""What every kind of channel must keep, also those that will be added: this runs over all that are found."""

import inspect

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

from epochwatchd.alerting.channels import kinds, sender
from epochwatchd.model import ChannelError

SECRET = "geheim-0123456789"
UNREACHABLE = {
    "webhook": lambda port: {
        "url": f"http://127.0.0.1:{port}/{SECRET}",
        "headers": {"Authorization": SECRET},
        "secret": SECRET,
    },
    "slack": lambda port: {"url": f"http://127.0.0.1:{port}/services/T0/B0/{SECRET}"},
    "email": lambda port: {
        "host": "127.0.0.1",
        "port": port,
        "user": "mina@example.com",
        "password": SECRET,
        "to": "mina@example.com",
    },
}
"""For every kind with a peer: options whose peer is not there."""
WITHOUT_PEER = {"console"}


def test_the_kinds_are_the_modules_of_the_folder():
    assert set(kinds()) == {"console", "email", "slack", "webhook"}


def test_every_kind_with_a_peer_is_tried_here():
    assert set(kinds()) == UNREACHABLE.keys() | WITHOUT_PEER


@pytest.fixture(params=sorted(kinds()))
def kind(request):
    return request.param


def test_a_kind_is_options_and_send(kind):
    module = kinds()[kind]
    assert module.__doc__
    assert inspect.getdoc(module.send)
    assert list(inspect.signature(module.send).parameters) == ["options", "notification"]
    assert issubclass(module.Options, BaseModel)
    assert "Options" not in (inspect.getdoc(module.Options) or "Options")


def test_options_are_frozen_refuse_unknown_keys_and_quote_no_input(kind):
    config = kinds()[kind].Options.model_config
    assert config["frozen"]
    assert config["extra"] == "forbid"
    assert config["hide_input_in_errors"]


@pytest.fixture(params=sorted(UNREACHABLE))
def unreachable(request, refused_port):
    return request.param, kinds()[request.param].Options(**UNREACHABLE[request.param](refused_port))


def test_secrets_do_not_show(unreachable):
    kind, options = unreachable
    assert SECRET not in repr(options)
    assert SECRET not in str(options.model_dump())
    assert SecretStr in {type(value) for value in dict(options).values()}, f"{kind} has no secret"


def test_an_unreachable_peer_is_told_without_secrets(unreachable, crash, caplog):
    kind, options = unreachable
    with caplog.at_level(0), pytest.raises(ChannelError) as told:
        sender(kind, options)(crash)
    assert not told.value.permanent
    assert SECRET not in f"{told.value!r} {told.value.__cause__!r} {caplog.text}"
    assert told.value.__suppress_context__
    assert len(str(told.value)) < 200


def test_a_wrong_key_is_a_mistake(kind):
    with pytest.raises(ValidationError, match="no_such_key"):
        kinds()[kind].Options(no_such_key=SECRET)
