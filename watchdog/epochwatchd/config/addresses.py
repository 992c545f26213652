"""Addresses as people write them: ``127.0.0.1:8765``, ``[::1]:8765``, ``gpu01:8765``."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

from epochwatchd.config.problems import BadValueError
from epochwatchd.config.settings import Address
from epochwatchd.phrase import Phrase

PORT_MAX = 65_535
_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)\]|(?P<host>[\w.-]+)):(?P<port>[0-9]{1,5})")
_HINT = "write it as 127.0.0.1:8765 or [::1]:8765"


def parse_address(value: Any) -> Address:
    """The host and port of an address. Raises BadValueError."""
    match = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise BadValueError("not an address with a port", _HINT)
    if int(match["port"]) > PORT_MAX:
        raise BadValueError("not a port", Phrase("ports end at {most}", most=PORT_MAX))
    if match["ipv6"] and not _is_ip(match["ipv6"]):
        raise BadValueError("not an IPv6 address", _HINT)
    return Address(match["ipv6"] or match["host"], int(match["port"]))


def is_loopback(address: Address) -> bool:
    """Whether nobody outside this machine can reach the address."""
    return address.host == "localhost" or (_is_ip(address.host) and ip_address(address.host).is_loopback)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
