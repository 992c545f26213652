"""Loaded at the start of every Python below ``epochwatch run --auto``: it waits until a framework is imported.

Nothing of epochwatch is loaded before that. The ``sitecustomize`` that this one hides is loaded after it.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGE = os.path.dirname(_HERE)
_DOORS = {"torch.optim.optimizer", "transformers.trainer", "fastai.learner", "ultralytics.utils.callbacks.base"}
"""The modules in which frameworks keep what is called in every training: see ``epochwatch.auto``."""


class _Doorman:
    """Tells ``epochwatch.auto`` when one of these modules was imported. Whatever else is imported passes it."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """What the others find; its loader then calls us. And epochwatch, where the training's Python has none."""
        if name not in _DOORS and name != "epochwatch":
            return None
        finders = (it.find_spec for it in sys.meta_path if it is not self and hasattr(it, "find_spec"))
        found = (find(name, path, target) for find in finders)  # type: ignore[arg-type]
        spec = next((spec for spec in found if spec is not None), None)
        if name == "epochwatch":
            return spec if spec is not None and spec.has_location else _ours()  # a mere folder is none
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _opened(name, module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def _ours() -> ModuleSpec | None:
    """The package of which this file is a part."""
    place = os.path.join(_PACKAGE, "__init__.py")
    return spec_from_file_location("epochwatch", place, submodule_search_locations=[_PACKAGE])


def _opened(name: str, module: ModuleType) -> None:
    try:
        from epochwatch import auto  # noqa: PLC0415 - not before a framework is there

        auto.opened(name, module)
    except Exception as error:  # an epochwatch too old for this, say: the training does without
        sys.stderr.write(f"epochwatch: --auto cannot attach to {name}: {error}\n")


def _load_hidden() -> None:
    sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != _HERE]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        sys.modules["sitecustomize"] = module = module_from_spec(spec)
        spec.loader.exec_module(module)


sys.meta_path.insert(0, _Doorman())
_load_hidden()
