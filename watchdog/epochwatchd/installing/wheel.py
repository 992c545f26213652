"""A wheel of what is installed here, for an environment of the service's own: also of an editable installation."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import epochwatch
from epochwatchd.installing.units import units

NAME = "epochwatch"
_WHEEL = "Wheel-Version: 1.0\nGenerator: epochwatchd\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def pack(folder: Path) -> Path:
    """Write the wheel into ``folder``, and give its path.

    https://packaging.python.org/en/latest/specifications/binary-distribution-format
    """
    known = distribution(NAME)
    wheel = folder / f"{NAME}-{known.version}-py3-none-any.whl"
    info = f"{NAME}-{known.version}.dist-info"
    files = dict(_files())
    files[f"{info}/METADATA"] = (known.read_text("METADATA") or "").encode()
    files[f"{info}/entry_points.txt"] = (known.read_text("entry_points.txt") or "").encode()
    files[f"{info}/WHEEL"] = _WHEEL.encode()
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    return wheel


def _files() -> Iterator[tuple[str, bytes]]:
    for package in (Path(epochwatch.__file__).parent, Path(__file__).parents[1]):
        for path in sorted(package.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(package.parent)), path.read_bytes()
    for name, text in units().items():
        yield f"epochwatchd/systemd/{name}", text.encode()


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
