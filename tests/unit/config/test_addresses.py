import pytest

from epochwatchd.config.addresses import is_loopback, parse_address
from epochwatchd.config.problems import BadValueError
from epochwatchd.config.settings import Address


@pytest.mark.parametrize(
    ("text", "address", "loopback"),
    [
        ("127.0.0.1:8765", Address("127.0.0.1", 8765), True),
        ("127.3.2.1:1", Address("127.3.2.1", 1), True),
        ("[::1]:8765", Address("::1", 8765), True),
        ("localhost:0", Address("localhost", 0), True),
        ("0.0.0.0:8765", Address("0.0.0.0", 8765), False),
        ("[::]:8765", Address("::", 8765), False),
        ("gpu-01.lab:65535", Address("gpu-01.lab", 65_535), False),
    ],
)
def test_an_address_is_read_and_judged_and_written_as_it_was(text, address, loopback):
    assert parse_address(text) == address
    assert is_loopback(address) is loopback
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "8765", 8765, ":8765", "127.0.0.1", "::1:8765", "[::g]:1", "[:::]:1", "a:65536", "a b:1", "a:-1", None]
)
def test_what_is_no_address_is_refused_with_a_hint(text):
    with pytest.raises(BadValueError) as caught:
        parse_address(text)
    assert caught.value.hint
