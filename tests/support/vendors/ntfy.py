"""ntfy's publishing as JSON (docs.ntfy.sh). A stand-in."""

from vendors import Vendor, said

TOPIC, TOKEN = "geheim-topic-0123456789", "tk_geheim0123456789"


def refused(code, status, error):
    return said(status, {"code": code, "http": status, "error": error})


class Ntfy(Vendor):
    REFUSALS = {
        "later": [refused(42901, 429, "limit reached: too many requests"), said(503)],
        "message": [refused(40009, 400, "invalid request: topic invalid")],
        "channel": [refused(40101, 401, "unauthorized"), refused(40301, 403, "forbidden")],
        "until": [refused(42908, 429, "limit reached: daily message quota reached")],
    }

    def options(self, url):
        return {"kind": "ntfy", "topic": TOPIC, "token": TOKEN, "url": url}

    def judge(self, asked):
        told = asked.json()
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return refused(40101, 401, "unauthorized")
        if asked.path != "/" or told.get("topic") != TOPIC or not 1 <= told.get("priority", 3) <= 5:
            return refused(40009, 400, "invalid request: topic invalid")
        if len(told["message"].encode()) > 4096:
            return refused(41301, 413, "the message is longer than allowed")
        self.taken.append(told["title"] + "\n" + told["message"])
        return said(200, {"id": "xE73Iyuabi", "event": "message", "topic": TOPIC})
