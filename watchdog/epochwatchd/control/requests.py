"""What can be asked of the daemon, and who may: the run's owner, root, the service's group.

``POST /v1/ack``, ``GET /v1/mutes``, ``POST /v1/mutes``, ``DELETE /v1/mutes/ID``, ``POST /v1/retry``.
"""

from __future__ import annotations

import glob
import grp
import json
import logging
import os
import pwd
import secrets
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from epochwatch.wire import clean
from epochwatchd.alerting.composing import stamp
from epochwatchd.alerting.deciding import Muted
from epochwatchd.alerting.wording import moment
from epochwatchd.config import Match
from epochwatchd.config.matching import BadMatch, parse_match
from epochwatchd.control.server import Refused, Request
from epochwatchd.model import ACK_ID, Mute, Notification, Pressed
from epochwatchd.store.attention import Ack, Noticed
from epochwatchd.store.faults import StoreError

log = logging.getLogger("epochwatchd")

GROUP = "epochwatch"
"""Whoever is in it may do what an administrator may."""
LONGEST_S = 90 * 86_400.0
MUTES_OF_ONE, TEXT_MAX, IDS_MAX = 20, 500, 100
MATCH_MAX = 2000
"""Characters of the conditions of a mute, which every message on its user's runs is held against."""
BUTTON_S = 3600.0


class Caller(NamedTuple):
    """Who asks. ``owns``: only what is of this user is his to decide on; None: everything is."""

    name: str
    owns: str | None


class Ledger(Protocol):
    """What is asked of the store. Every call may raise StoreError."""

    def noticed(self, prefix: str, now_wall: float) -> list[Noticed]: ...  # noqa: D102 - see ``store.ledger``
    def is_for(self, incident: str, channel: str) -> bool: ...  # noqa: D102
    def acknowledge(self, incidents: list[str], ack: Ack, owner: str | None) -> list[str]: ...  # noqa: D102
    def mutes(self, now_wall: float) -> list[Mute]: ...  # noqa: D102
    def mute(self, new: Mute) -> None: ...  # noqa: D102
    def unmute(self, mute_id: str, now_wall: float) -> None: ...  # noqa: D102
    def revive_dead(self, now_wall: float) -> int: ...  # noqa: D102


class Control:
    """Answers requests.

    runs: gives what is watched now, as a message on each would say it.
    changed: called when something else is to be told, or not, from now on.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], float],
        *,
        runs: Callable[[], Iterable[Notification]] = tuple,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._runs = runs
        self._changed = changed

    def answer(self, request: Request) -> Any:
        """What comes of it, for JSON. Raises Refused."""
        caller = caller_of(request.uid)
        path = request.path.partition("?")[0].rstrip("/")
        try:
            if (request.method, path) == ("POST", "/v1/ack"):
                return self.acknowledge(caller, request.body)
            if (request.method, path) == ("GET", "/v1/mutes"):
                return [_shown(mute) for mute in self._ledger.mutes(self._clock())]
            if (request.method, path) == ("POST", "/v1/mutes"):
                return self.mute(caller, request.body)
            if request.method == "DELETE" and path.startswith("/v1/mutes/"):
                return self.unmute(caller, path.removeprefix("/v1/mutes/"))
            if (request.method, path) == ("POST", "/v1/retry"):
                return self.retry(caller)
        except StoreError as e:
            raise Refused(500, f"it cannot be stored now: {e}") from e
        raise Refused(404, f"{request.method} {path:.80} is nothing that this epochwatchd knows")

    def acknowledge(self, caller: Caller, said: Mapping[str, Any]) -> list[dict[str, Any]]:
        """These incidents, and those of the caller's that stood in one message with them, have been seen."""
        now, ids = self._clock(), said.get("ids")
        if not isinstance(ids, list) or not ids or len(ids) > IDS_MAX or not all(isinstance(i, str) for i in ids):
            raise Refused(400, "ids must be a list of ids, as they stand in the messages")
        until = None if said.get("for_s") is None else now + _seconds(said["for_s"])
        found = [self._incident(caller, prefix, now) for prefix in ids]
        ack = Ack(caller.name, now, until, _text(said, "note"))
        seen = self._ledger.acknowledge([one.id for one in found], ack, caller.owns)
        for one in found:
            log.info("acknowledged by %s: %s of %s (%s)", caller.name, one.kind, one.job, one.id)
        self._changed()
        told = {one.id: one for one in found}
        return [told[i]._asdict() if i in told else {"id": i} for i in seen]

    def _incident(self, caller: Caller, prefix: str, now: float) -> Noticed:
        if not (prefix.isascii() and prefix.isalnum() and len(prefix) >= ACK_ID):
            raise Refused(400, f"{prefix!r:.40} is no id: it stands in the message, as `epochwatch ack 6f1c`")
        found = self._ledger.noticed(prefix, now)
        if not found:
            raise Refused(404, f"nothing that is wrong now has the id {prefix:.40}")
        mine = [one for one in found if caller.owns in (None, one.user)]
        if not mine:
            raise Refused(
                403, f"{prefix:.40} is of user {found[0].user or 'nobody'}: {_who(found[0].user)} may do that"
            )
        if len(mine) > 1:
            ids = ", ".join(f"{one.id[: len(prefix) + 4]} ({one.job:.40}, {one.kind})" for one in mine[:8])
            raise Refused(400, f"{prefix:.40} may be {ids}: give more of it")
        return mine[0]

    def mute(self, caller: Caller, said: Mapping[str, Any]) -> dict[str, Any]:
        """Nothing is to be heard of what matches, until a time, for a reason."""
        now, given, why = self._clock(), said.get("match"), _text(said, "why")
        if not isinstance(given, dict):
            raise Refused(400, "match must be an object, as a route's match: {job: resnet*}")
        if len(json.dumps(given)) > MATCH_MAX:
            raise Refused(400, f"the conditions are longer than {MATCH_MAX} characters: use patterns, as job=resnet*")
        if not why:
            raise Refused(400, "why? Others will ask: give a reason")
        if said.get("for_s") is None:
            raise Refused(400, "for how long? A mute must end")
        try:
            match = parse_match(given)
        except BadMatch as e:
            raise Refused(400, str(e)) from None
        if match == Match() and said.get("all") is not True:
            raise Refused(400, "that is everything: say what, as job=resnet*, or say that all is meant")
        of_one = sum(mute.who == caller.name for mute in self._ledger.mutes(now))
        if of_one >= MUTES_OF_ONE:
            raise Refused(400, f"you have {of_one} mutes: take some back")
        new = Mute(
            _new_id(self._ledger.mutes(now)), given, now, now + _seconds(said["for_s"]), caller.name, why, caller.owns
        )
        self._ledger.mute(new)
        log.info("muted by %s until %s: %s (%s): %s", caller.name, stamp(new.until_wall), given, new.id, why)
        self._changed()
        muted = Muted(new, _of_names(match))
        runs = list(self._runs())
        return {**_shown(new), "runs": sum(muted.takes(run) for run in runs), "of": len(runs)}

    def pressed(self, channel: str, press: Pressed) -> str:
        """A button under a message of a channel was pressed; gives what to say to that.

        Whoever sees a channel's messages may say that they were seen, and hear nothing of that run for an hour.
        """
        try:
            if not (press.incident.isalnum() and self._ledger.is_for(press.incident, channel)):
                return "Nothing is known of this message. / 기록에 없는 알림입니다."
            found = self._ledger.noticed(press.incident, self._clock())
            if not found:
                return "It is over. / 이미 해소됐습니다."
            by = Caller(press.who, None)
            if press.what == "ack":
                self.acknowledge(by, {"ids": [press.incident]})
                return "Seen. / 확인했습니다."
            match = {"job": [glob.escape(found[0].job)], "user": [glob.escape(found[0].user)]}
            made = self.mute(by, {"match": match, "for_s": BUTTON_S, "why": f"a button in {channel}"})
        except (Refused, StoreError) as e:
            return str(e)
        return f"Muted: epochwatch unmute {made['id']} / 1시간 동안 알리지 않습니다."

    def unmute(self, caller: Caller, mute_id: str) -> dict[str, Any]:
        """It is to be heard of again."""
        now = self._clock()
        mute = next((mute for mute in self._ledger.mutes(now) if mute.id == mute_id), None)
        if mute is None:
            raise Refused(404, f"there is no mute {mute_id:.40}; `epochwatch mutes` lists them")
        if caller.owns is not None and mute.owner != caller.owns:
            raise Refused(403, f"{mute_id} is of {mute.who}: {_who(mute.owner)} may do that")
        self._ledger.unmute(mute_id, now)
        log.info("the mute %s of %s was taken back by %s", mute_id, mute.who, caller.name)
        self._changed()
        return _shown(mute)

    def retry(self, caller: Caller) -> dict[str, int]:
        """Dead letters are tried again."""
        if caller.owns is not None:
            raise Refused(403, f"only {_who(None)} may do that")
        revived = self._ledger.revive_dead(self._clock())
        log.info("%d dead letters are tried again, by %s", revived, caller.name)
        self._changed()
        return {"revived": revived}


def ready(mutes: Iterable[Mute]) -> list[Muted]:
    """These, ready to be asked; one that this version cannot read mutes nothing."""
    found = [(mute, _match(json.dumps(mute.match, sort_keys=True))) for mute in mutes]
    return [Muted(mute, match) for mute, match in found if match is not None]


@lru_cache(maxsize=1024)
def _match(text: str) -> Match | None:
    try:
        return parse_match(json.loads(text))
    except BadMatch:
        return None


def caller_of(uid: int) -> Caller:
    """Whose request it is, and what he may decide on."""
    try:
        user = pwd.getpwuid(uid)
        name, groups = user.pw_name, {user.pw_gid}
    except KeyError:
        return Caller(str(uid), None if uid in (0, os.geteuid()) else str(uid))
    with suppress(KeyError):
        group = grp.getgrnam(GROUP)
        if name in group.gr_mem or group.gr_gid in groups:
            return Caller(name, None)
    return Caller(name, None if uid in (0, os.geteuid()) else name)


def _new_id(mutes: Iterable[Mute]) -> str:
    """One that none of these has."""
    taken = {mute.id for mute in mutes}
    return next(name for name in iter(lambda: secrets.token_hex(2), None) if name not in taken)


def _who(owner: str | None) -> str:
    return ", ".join([*([owner] if owner else []), "root", f"the group {GROUP}"])


def _seconds(said: Any) -> float:
    if not isinstance(said, int | float) or isinstance(said, bool) or not 0 < said <= LONGEST_S:
        raise Refused(400, f"for_s must be seconds, more than 0 and at most {LONGEST_S:.0f} (90 days)")
    return float(said)


def _text(said: Mapping[str, Any], name: str) -> str:
    text = said.get(name) or ""
    if not isinstance(text, str) or len(text) > TEXT_MAX:
        raise Refused(400, f"{name} must be a text of at most {TEXT_MAX} characters")
    return clean(" ".join(text.split()))


def _of_names(match: Match) -> Match:
    """What of it can be asked of a run that is well."""
    return Match(job=match.job, user=match.user, host=match.host, tag=match.tag)


def listed(shown: Mapping[str, Any]) -> Mute:
    """A mute, from how ``GET /v1/mutes`` shows it."""
    from_wall, until_wall = (moment(shown[name]).timestamp() for name in ("from", "until"))
    return Mute(shown["id"], shown["match"], from_wall, until_wall, shown["who"], shown["why"], shown["owner"])


def _shown(mute: Mute) -> dict[str, Any]:
    return {
        "id": mute.id,
        "match": dict(mute.match),
        "from": stamp(mute.from_wall),
        "until": stamp(mute.until_wall),
        "who": mute.who,
        "why": mute.why,
        "owner": mute.owner,
    }
