"""What one line of a training's output says of its progress. Pure: text in, numbers out; wrong is worse than none."""

import re
from typing import Dict, NamedTuple, Optional, Pattern

from epochwatch.checks import COUNT_MAX

LINE_MAX = 1000
"""A longer line is no progress."""


class Count(NamedTuple):
    """So many of so many. ``of``: "epoch" of one epoch, "run" of the whole run, "" where the line does not say."""

    done: int
    total: int
    of: str


class Said(NamedTuple):
    """What a line says. ``epoch`` is as printed; ``is_fraction``: it is printed as 1.35 is, not as a count."""

    epoch: Optional[float] = None
    epochs: Optional[int] = None
    is_fraction: bool = False
    step: Optional[int] = None
    part: Optional[Count] = None
    loss: Optional[float] = None
    metrics: Optional[Dict[str, float]] = None


_NUMBER = r"[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|nan|inf(?:inity)?)"
_END = r"(?!\.?\w|[/%]|,\d)"
"""Neither a part of a longer number, nor one with a unit."""
_OF = r"\s*(?:/|of)\s*"
_WORDS = "train|training|trainer|start|starting|begin|end|of|finished|running|info|at|in"
_BEFORE = rf"(?:^|\d\s|[\[\]({{|,;:>'\"-]|\b(?:{_WORDS}))\s*"
"""What may stand before the word: "total epochs 3" and "best epoch 3" say something else."""


def _pattern(text: str) -> Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_EPOCH_OF = _pattern(rf"{_BEFORE}epochs?\s*[:=#]?\s*[\[(]?\s*(\d+){_OF}(\d+)(?![\d.]*[%|])")
_EPOCH = _pattern(
    rf"{_BEFORE}epoch['\"]?\s*(?:\(train\))?\s*[:=#]?\s*['\"\[(]?\s*(\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?![\d\w./]|-\w|\s*%)"
)
_STEP_OF = _pattern(
    rf"{_BEFORE}(?:global[ _-]?)?(?:step|iter|iteration|it|batch)s?\s*(?:\(train\))?"
    rf"\s*[:=#]?\s*[\[(]?\s*(\d+){_OF}(\d+)"
    r"(?![\d.]*[%|]|[\d.]*\s*\(?\d*%)"
)
_STEP = _pattern(
    rf"{_BEFORE}(?:global[ _-]?)?(?:step|iter|iteration|total_timesteps)['\"]?\s*[:=#|]?\s*(\d+)(?![\w./]|-\w)"
)
_ROUND = re.compile(r"^\[(\d+)\]\s+\S[^:]*:\s*[\d.]")
"""XGBoost and LightGBM."""
_OF_ITSELF = re.compile(r"^\[\d+\]\s|total_timesteps|\bstep=\d")
"""Such a step is one without any other number beside it."""
_TQDM = re.compile(r"^(.*?):?\s*(\d{1,3})%\|[^|]*\|\s*(\d+)/(\d+)\s*\[[\d:?]+<[^\],]*(?:,\s*([^\],]*))?")
_DRAWN = re.compile(r"^(.*?)\s*(?:\d+%\s*)?[━╸╺╍╾]{4,}\s*(?:\d+%\s*)?(\d+)/(\d+)(?![\d./]|\s*[kMGT]?i?B)")
_KERAS = re.compile(r"^\s*(\d+)/(\d+)\s+(?:[━╸╺]{4,}|\[[=>.]{4,}\])\s")
_RATE = re.compile(r"^[\d.? ]*(?:(?:it|step|batch|iter)s?/s|s/(?:it|step|batch|iter))\b", re.IGNORECASE)
_EPOCH_RATE = re.compile(r"^[\d.? ]*(?:epochs?/s|s/epochs?)\b", re.IGNORECASE)
_OF_RUN = _pattern(r"(?:^|\s)(?:global )?(?:steps?|iterations?|iters?)$")
_OF_EPOCHS = _pattern(r"(?:^|\s)epochs?$")
_UNNAMED = _pattern(r"^(?:train(?:ing)?)?$")
_LOSS = _pattern(
    r"(?:(?P<named>(?:train(?:ing)?|step|total)[ _/]?loss)|(?P<bare>(?<![\w./-])(?:lm[ _])?loss))"
    rf"['\"]?\s*[:=|]?\s*['\"]?(?:tensor\()?({_NUMBER}){_END}"
)
_NOT_TRAINED = _pattern(
    r"\b(?:test|testing|val|valid|validation|eval|evaluation|dev)\b|\b(?:avg|average|mean|best|min)\b"
)
_QUALIFIED = _pattern(r"(?:^|[\s'\"])[a-z_]+[ _-]$")
_METRIC = _pattern(
    r"(?<![\w./-])((?:(?:train|val|valid|test|eval)[_/ ])?(?:acc|accuracy|f1|auc|mae|mse|rmse|iou|miou|map|bleu|wer|"
    r"ppl|perplexity|psnr|lr|learning_rate|grad_norm)|(?:val|valid|test|eval)[_/ ]loss)"
    rf"['\"]?\s*[:=]\s*['\"]?({_NUMBER}){_END}"
)
_LONG_RUN = re.compile(r"[ \t]{7,}|━{7,}|─{7,}")
"""What would be tried at each of its places is made short before."""
_FILE = _pattern(r"\.(?:ckpt|pth?|safetensors|h5|keras|bin|pkl|npz|onnx)\b|https?://")
_YOLO = re.compile(r"^\s+(\d+)/(\d+)\s+[\d.]+[GM]\s")


def read(line: str) -> Optional[Said]:
    """What a line says, without control sequences; None where it says nothing of progress."""
    if len(line) > LINE_MAX or _FILE.search(line):
        return None
    line = _LONG_RUN.sub(lambda run: 6 * run[0][0], line)
    place = _bar(line) or _counted(line)
    if place is not None and _largest(place) > COUNT_MAX:
        return None  # no heartbeat can say that
    loss = _loss(line, alone=place is None)
    if place is None and loss is None:
        return None
    found = {name.lower().replace(" ", "_"): float(value) for name, value in _METRIC.findall(line)}
    if place is not None and place.step is not None and place.epoch is None and loss is None and not found:
        return None if not _OF_ITSELF.search(line) else place  # "Step 2: unpack the data" is no progress
    return (place or Said())._replace(loss=loss, metrics=found or None)


def _largest(said: Said) -> float:
    return max(said.epoch or 0, said.epochs or 0, said.step or 0, said.part.total if said.part else 0)


def _bar(line: str) -> Optional[Said]:
    """Where the training is, by a bar."""
    bar = _TQDM.match(line)
    if bar:
        done, total, rate = int(bar[3]), int(bar[4]), bar[5] or ""
        if not total or done > total or abs(int(bar[2]) - 100 * done / total) > 1:
            return None
        is_epochs = bool(_EPOCH_RATE.match(rate))
        return _of_bar(bar[1], done, total, is_epochs=is_epochs) if is_epochs or not rate or _RATE.match(rate) else None
    bar = _KERAS.match(line)
    if bar:
        return Said(part=Count(int(bar[1]), int(bar[2]), "epoch"))
    bar = _DRAWN.match(line)
    return _of_bar(bar[1], int(bar[2]), int(bar[3])) if bar else None


def _counted(line: str) -> Optional[Said]:
    """Where the training is, by words and numbers."""
    match = _ROUND.match(line)
    if match:
        return Said(step=int(match[1]))
    match = _YOLO.match(line)
    if match:
        return Said(int(match[1]), int(match[2]))
    epoch = _epoch(line)
    match = _STEP_OF.search(line)
    if match and int(match[1]) <= int(match[2]):
        return (epoch or Said())._replace(part=Count(int(match[1]), int(match[2]), ""))
    match = _STEP.search(line)
    return (epoch or Said())._replace(step=int(match[1])) if match else epoch


def _of_bar(name: str, done: int, total: int, *, is_epochs: bool = False) -> Optional[Said]:
    """What a bar of this name says; nothing where the name is of something else."""
    name = name.strip().rstrip(":").strip()
    if _NOT_TRAINED.search(name):
        return None
    epoch = _epoch(name)
    if epoch is not None:
        return epoch._replace(part=Count(done, total, "epoch"))
    if is_epochs or _OF_EPOCHS.search(name):
        return Said(epoch=min(done + 1, total), epochs=total)
    if _OF_RUN.search(name):
        return Said(part=Count(done, total, "run"))
    return Said(part=Count(done, total, "")) if _UNNAMED.match(name) else None


def _epoch(line: str) -> Optional[Said]:
    match = _EPOCH_OF.search(line)
    if match:
        epoch, epochs = int(match[1]), int(match[2])
        return Said(epoch, epochs) if epoch <= epochs else None
    match = _EPOCH.search(line)
    if match is None:
        return None
    return Said(float(match[1]), is_fraction="." in match[1] or line.lstrip().startswith("{"))


def _loss(line: str, *, alone: bool) -> Optional[float]:
    """The training's loss: named so, or the first bare one before which nothing says that it is another's.

    ``alone``: the line says nothing else of progress; then it must begin with it.
    """
    for match in _LOSS.finditer(line):
        before = line[: match.start()]
        if alone and before.strip(" |[({'\""):
            return None
        if match["named"] or not (_NOT_TRAINED.search(before) or _QUALIFIED.search(_last_word(before))):
            return float(match[3])
        return None
    return None


def _last_word(before: str) -> str:
    """The word right before, with the space behind it; nothing where another sign stands between."""
    return before[max(before.rfind(c) for c in "|,;:()[]{}>\t") + 1 :].lstrip()
