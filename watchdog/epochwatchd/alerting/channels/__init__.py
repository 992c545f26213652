"""Where messages go: one module a kind, found by listing this folder.

A kind is a module with ``Options``, a frozen pydantic model that refuses unknown keys and holds secrets as
``SecretStr``, and with ``send(options, notification) -> str``, which blocks for a bounded time, returns in a few words
what the peer answered, and raises ChannelError, secrets left out, when the peer did not take the message. Modules whose
name begins with an underscore are what kinds share.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import BaseModel

    from epochwatchd.model import Notification


@functools.cache
def kinds() -> Mapping[str, ModuleType]:
    """The modules of this folder by the kind's name."""
    names = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return MappingProxyType({name: importlib.import_module(f"{__name__}.{name}") for name in names})


def sender(kind: str, options: BaseModel) -> Callable[[Notification], str]:
    """What sends a notification over a channel of this kind with these options."""
    return functools.partial(kinds()[kind].send, options)
