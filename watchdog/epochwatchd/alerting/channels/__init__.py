"""Where messages go: one module a kind, found by listing this folder, imported when it is configured.

A kind is a module with

- ``Options``, a frozen pydantic model that refuses unknown keys and holds secrets as ``SecretStr``,
- ``LIMITS``, what it can carry,
- ``send(options, message) -> Taken``, which blocks for a bounded time and raises ChannelError, secrets left out, when
  the peer did not take the message;

and, where there is something to say, ``notes(options)``, lines on what cannot work; and where it mirrors incidents,
``refresh(options, memory, open_incidents)``, called once a minute, which may give the day on which a login ends.
Modules whose name begins with an underscore are what kinds share.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from types import ModuleType


class _Kinds(Mapping[str, ModuleType]):
    """The modules of this folder by the kind's name."""

    def __init__(self) -> None:
        self._names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))

    def __getitem__(self, name: str) -> ModuleType:
        if name not in self._names:
            raise KeyError(name)
        return importlib.import_module(f"{__name__}.{name}")

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


KINDS: Mapping[str, ModuleType] = _Kinds()
