"""The summaries that channels ask for, at their times: since the last one, however long that was ago."""

from __future__ import annotations

import socket

from epochwatchd.alerting.digest import digest
from epochwatchd.config import Config
from epochwatchd.model import Notice
from epochwatchd.service.schedule import latest_due
from epochwatchd.store.ledger import Ledger


def tell(config: Config, ledger: Ledger, now_wall: float) -> bool:
    """Have the summaries sent that are due; whether there is one."""
    is_told = False
    for name, channel in config.channels.items():
        if channel.digest is None:
            continue
        from_wall = ledger.digest_wall(name, now_wall)
        due = latest_due(channel.digest, from_wall, now_wall)
        about = ledger.summary(from_wall, due.last_wall) if due is not None else None
        if about is not None:
            notice = Notice(digest(name, about, socket.gethostname()), [name])
            is_told = ledger.put_digest(name, notice, about.until_wall, now_wall) or is_told
    return is_told
