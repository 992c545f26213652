"""LINE's Messaging API (developers.line.biz). A stand-in."""

import uuid

from vendors import Vendor, said

TOKEN, TO = "geheim-token-0123456789", "U4af4980629"
MONTHLY = {"message": "You have reached your monthly limit."}


class Line(Vendor):
    REFUSALS = {
        "later": [said(429, {"message": "The API rate limit has been exceeded. Try again later."}), said(500)],
        "message": [said(400, {"message": "The request body has 1 error(s)"})],
        "channel": [said(401, {"message": "Authentication failed."}), said(403, {"message": "Forbidden"})],
        "until": [said(429, MONTHLY)],
    }

    def __init__(self):
        super().__init__()
        self.keys = set()

    def options(self, url):
        return {"kind": "line", "token": TOKEN, "to": TO, "api": url}

    def judge(self, asked):
        told = asked.json()
        if asked.path != "/v2/bot/message/push":
            return said(404, {"message": "Not found"})
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return said(401, {"message": "Authentication failed."})
        key = str(uuid.UUID(asked.headers["x-line-retry-key"]))
        if key in self.keys:
            return said(409, {"message": "The retry key is already accepted"})
        texts = [message["text"] for message in told["messages"]]
        if told["to"] != TO or not 1 <= len(texts) <= 5:
            return said(400, {"message": "The property, 'to', is invalid"})
        if not all(0 < len(text.encode("utf-16-le")) // 2 <= 5000 for text in texts):
            return said(400, {"message": "The request body has 1 error(s)"})
        self.keys.add(key)
        self.taken += texts
        return said(200, {"sentMessages": [{"id": "461230966842064897"}]})
