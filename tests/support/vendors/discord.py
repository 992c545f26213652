"""Discord's webhooks (docs.discord.com, Webhook resource). A stand-in."""

import json
import urllib.parse

from vendors import Vendor, said

PATH = "/api/webhooks/1234567890/geheim-token-0123456789"


class Discord(Vendor):
    REFUSALS = {
        "later": [said(429, {"message": "You are being rate limited.", "retry_after": 0.3}), said(502)],
        "message": [said(400, {"message": "Invalid Form Body", "code": 50035})],
        "channel": [
            said(404, {"message": "Unknown Webhook", "code": 10015}),
            said(401, {"message": "Invalid Webhook Token", "code": 50027}),
        ],
    }

    def __init__(self):
        super().__init__()
        self.messages = {}

    def options(self, url):
        return {"kind": "discord", "url": url + PATH}

    def judge(self, asked):
        path, _, query = asked.path.partition("?")
        if not path.startswith(PATH):
            return said(404, {"message": "Unknown Webhook", "code": 10015})
        if not asked.headers.get("user-agent", "").startswith("DiscordBot ("):
            return said(403, "Forbidden")
        message = asked.json()
        if fault := fault_of(message):
            return said(400, {"message": "Invalid Form Body", "code": 50035, "errors": fault})
        if asked.method == "PATCH":
            number = path.rpartition("/")[2]
            if number not in self.messages:
                return said(404, {"message": "Unknown Message", "code": 10008})
        elif urllib.parse.parse_qs(query).get("wait") != ["true"]:
            return said(204)  # and nothing is kept
        else:
            number = str(len(self.messages) + 1)
        self.messages[number] = message
        self.taken.append(json.dumps(message, ensure_ascii=False))
        return said(200, {"id": number})


def fault_of(message):
    if message is None or message.get("allowed_mentions") != {"parse": []}:
        return "somebody is mentioned"
    embeds = message.get("embeds", [])
    if not message.get("content") and not embeds:
        return "empty"
    if len(message.get("content", "")) > 2000 or any(len(e.get("description", "")) > 4096 for e in embeds):
        return "too long"
    return None
