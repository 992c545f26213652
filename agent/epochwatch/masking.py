"""Secrets in a command line, hidden before anybody is told of it.

A value is hidden because of the name before it (``--api-key VALUE``, ``logger.api_key=VALUE``, ``WANDB_API_KEY=VALUE``)
or because of how it begins (``hf_…``, ``ghp_…``). Hyper-parameters stay: people tell their runs apart by them. So a
name counts only if it ends in a word for a secret, and a number or a plain yes or no is never one.
"""

import re
from typing import Iterator, Sequence, Tuple

HIDDEN = "…"
SHOWN_MAX = 32 * 1024
"""Characters of a command line that are looked at; a heartbeat has room for no more."""

_HINTS = (
    "key", "token", "secret", "passw", "passphrase", "pwd", "credential", "://", "bearer ", "slack.com",
    "hf_", "sk-", "gh", "glpat-", "xox", "nvapi-", "akia", "asia", "aiza", "eyj",
)  # fmt: skip
"""Without one of these there is nothing to hide, and no pattern need be compiled: that takes some milliseconds."""
_ENDINGS = ("password", "passwd", "passphrase", "secret", "apikey", "authtoken", "accesstoken")
_WORDS = frozenset({"key", "token", "pwd", "credential", "credentials"})
_OF_DATA = frozenset({
    "bos", "eos", "pad", "unk", "sep", "cls", "mask", "start", "end", "stop", "special", "image", "video", "audio",
    "text", "input", "output", "label", "prompt", "response", "chosen", "rejected", "messages", "caption", "data",
    "dataset", "sort", "group", "metric", "id", "cache", "public", "no",
})  # fmt: skip
"""Keys and tokens of these are no secrets."""

_PART = r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])"
_NAMED = r"""(?<![\w./@+~-])([\w./@+~-]+)([\\"'\]]*\s*[:=]\s*|\s+(?!-))"""
_VALUE = r"""\\*"[^"]*"?|\\*'[^']*'?|[^\s"',;&)}\]]+"""
_PLAIN = r"|[-+]?[\d.,_]+(?:[eE][-+]?\d+)?|(?i:true|false|yes|no|none|null|auto)"
_USER_OF_URL = r"(?<=://)[^/\s?#]*@"
_KNOWN_FORM = (
    r"(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{16,}"
    r"|sk-(?:[A-Za-z]+-){0,4}(?:\w{20,}|(?=[A-Za-z_]*\d)\w{10,})[\w-]*"
    r"|(?:gh[opsur]_|github_pat_|glpat-|xox[a-z]-|nvapi-)[\w-]{4,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}|AIza[\w-]{20,}|eyJ[\w-]{8,}(?:\.[\w-]+)*)"
    r"|(?<=slack\.com/services/)[^\s\"']+|(?<=[Bb]earer )[^\s\"']+"
)


def masked(words: Sequence[str]) -> Tuple[str, ...]:
    """The words of a command line with every secret replaced by ``…``; of a very long line, only its beginning."""
    words = tuple(_beginning(words))
    line = " ".join(words).lower()
    if not any(hint in line for hint in _HINTS):
        return words
    options = ("", *words)
    return tuple(HIDDEN if _is_value(word, options[at]) else _masked_word(word) for at, word in enumerate(words))


def _beginning(words: Sequence[str]) -> Iterator[str]:
    room = SHOWN_MAX
    for word in words:
        room -= len(word)
        if room < 0:
            return
        yield word


def _is_value(word: str, option: str) -> bool:
    return option[:1] == "-" and word[:1] not in ("", "-") and _names_secret(option) and not _is_plain(word)


def _names_secret(name: str) -> bool:
    """Whether a name ends in a word for a secret: ``api-key``, ``HF_KNOWN_FORM``, ``hubToken``; not ``max-tokens``."""
    parts = re.findall(_PART, name[-64:])
    before, last = ["", "", *parts][-2:]
    last = last.lower()
    return last.endswith(_ENDINGS) or (last in _WORDS and before.lower() not in _OF_DATA)


def _is_plain(value: str) -> bool:
    return re.fullmatch(_PLAIN, value.strip("\\\"'")) is not None


def _masked_word(word: str) -> str:
    """One word, which may be a whole command in itself (``sh -c``)."""
    word = re.sub(_KNOWN_FORM, HIDDEN, re.sub(_USER_OF_URL, f"{HIDDEN}@", word))
    shown, at = "", 0
    for begin, end in _secrets_in(word):
        shown, at = shown + word[at:begin] + HIDDEN, end
    return shown + word[at:]


def _secrets_in(word: str) -> Iterator[Tuple[int, int]]:
    """Where in a word the values of secret names begin and end; one that begins the word has all the rest."""
    end = 0
    for found in re.finditer(_NAMED, word):
        name, between = found.groups()
        if found.start() < end or (between.isspace() and name[0] != "-") or not _names_secret(name):
            continue
        begin = found.end()
        end = len(word) if found.start() == 0 and "=" in between else _end_of_value(word, begin)
        if not _is_plain(word[begin:end]):
            yield begin, end


def _end_of_value(word: str, begin: int) -> int:
    value = re.compile(_VALUE).match(word, begin)
    return value.end() if value else begin
