"""What speaks to machines: any receiver of the webhook, and an Alertmanager's API v2. Stand-ins.

A real Alertmanager is tried in test_real_servers.py.
"""

import json
from datetime import datetime, timezone

from vendors import Vendor, said

SECRET = "geheim-0123456789"


class Hook(Vendor):
    PATH = f"/hooks/{SECRET}"
    REFUSALS = {
        "later": [said(429, "", {"Retry-After": "17"}), said(500), said(408)],
        "message": [said(400, "no"), said(413), said(422)],
        "channel": [said(401), said(403), said(404), said(410), said(302, "", {"Location": "http://127.0.0.1/"})],
    }

    def options(self, url):
        return {"kind": "webhook", "url": url + self.PATH, "headers": {"Authorization": f"Bearer {SECRET}"}}

    def judge(self, asked):
        told = asked.json()
        if asked.path != self.PATH or told is None or told["version"] != 1:
            return said(400, "no")
        self.taken.append(json.dumps(told, ensure_ascii=False))
        return said(200, "ok")


class Alertmanager(Vendor):
    """github.com/prometheus/alertmanager, api/v2/openapi.yaml: an array of postable alerts."""

    REFUSALS = {
        "later": [said(503), said(500, '"notification queue"')],
        "message": [said(400, '"bad_data: invalid label set"')],
        "channel": [said(404), said(401)],
    }

    def __init__(self):
        super().__init__()
        self.alerts = {}

    def options(self, url):
        return {"kind": "alertmanager", "url": [url]}

    def judge(self, asked):
        alerts = json.loads(asked.body)
        if asked.path != "/api/v2/alerts" or not isinstance(alerts, list):
            return said(404)
        for alert in alerts:
            starts, ends = (datetime.fromisoformat(alert[name]) for name in ("startsAt", "endsAt"))
            if not alert["labels"] or ends <= starts or not all(alert["labels"].values()):
                return said(400, '"bad_data: invalid alert"')
            self.alerts[json.dumps(alert["labels"], sort_keys=True)] = ends
        self.taken.append(json.dumps(alerts, ensure_ascii=False))
        return said(200, "")

    def firing(self):
        """The labels of what is not over."""
        now = datetime.now(timezone.utc)
        return [json.loads(labels) for labels, ends in self.alerts.items() if ends > now]
