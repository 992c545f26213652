"""Making a text fit: its first line and its end stay, what lies between goes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from epochwatchd.model import Limits

CUT = "\n…\n"

LENGTHS: Mapping[str, Callable[[str], int]] = {
    "characters": len,
    "utf16": lambda text: len(text.encode("utf-16-le", "surrogatepass")) // 2,
    "bytes": lambda text: len(text.encode("utf-8", "surrogatepass")),
}


def fit(text: str, limits: Limits, reserved: int = 0) -> str:
    """The text in at most ``limits.text`` of its units, less those that are ``reserved`` for what is put around it.

    The first line says what happened, the end what to do: of what lies between as much stays as fits.
    """
    if limits.text is None:
        return text
    most, length = limits.text - reserved, LENGTHS[limits.unit]
    if length(text) <= most:
        return text
    first, _, rest = text.partition("\n")
    if length(first) + 2 * length(CUT) >= most:
        return head(first, most, length)
    room = most - length(first) - length(CUT)
    lines = rest.strip("\n").split("\n")
    tail: list[str] = []
    while lines and sum(map(length, tail)) + len(tail) + length(lines[-1]) <= room // 2:
        tail.insert(0, lines.pop())
    room -= length("\n".join(tail))
    middle = head("\n".join(lines), room - 1, length, mark="")
    return f"{first}\n{middle}{CUT}" + "\n".join(tail)


def head(text: str, most: int, length: Callable[[str], int], mark: str = "…") -> str:
    """The beginning of the text, with a mark where something was cut off."""
    if length(text) <= most:
        return text
    most -= length(mark)
    low, high = 0, min(len(text), max(0, most))
    while low < high:  # the longest beginning that fits: no unit is smaller than a character
        middle = (low + high + 1) // 2
        low, high = (middle, high) if length(text[:middle]) <= most else (low, middle - 1)
    return text[:low] + mark
