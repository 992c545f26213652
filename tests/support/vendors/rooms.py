"""Services that take a message by one URL: Naver Works and Teams' workflows. Stand-ins."""

import json

from vendors import Vendor, said


class NaverWorks(Vendor):
    """developers.worksmobile.com: title, body.text, button."""

    PATH = "/webhook/geheim-0123456789abcdef"
    REFUSALS = {
        "later": [said(429), said(503)],
        "message": [said(400, {"code": "INVALID_PARAMETER"})],
        "channel": [said(404, {"code": "NOT_FOUND"}), said(403)],
    }

    def options(self, url):
        return {"kind": "naverworks", "url": url + self.PATH}

    def judge(self, asked):
        told = asked.json()
        if asked.path != self.PATH:
            return said(404, {"code": "NOT_FOUND"})
        if told is None or not told.keys() <= {"title", "body", "button"} or not told["body"]["text"]:
            return said(400, {"code": "INVALID_PARAMETER"})
        self.taken.append(told["title"] + "\n" + told["body"]["text"])
        return said(200, {"code": 200, "message": "success"})


class Teams(Vendor):
    """learn.microsoft.com: a workflow takes an Adaptive Card, 28 KB in all; one client measured 21."""

    PATH = "/workflows/abc/triggers/manual/paths/invoke?api-version=1&sig=geheim-0123456789"
    REFUSALS = {
        "later": [said(429, "", {"Retry-After": "2"}), said(502)],
        "message": [said(400, {"error": {"code": "InvalidRequestContent"}}), said(413)],
        "channel": [said(401, {"error": {"code": "DirectApiAuthorizationRequired"}}), said(404)],
    }

    def options(self, url):
        return {"kind": "teams", "url": url + self.PATH}

    def judge(self, asked):
        if asked.path != self.PATH:
            return said(401, {"error": {"code": "DirectApiAuthorizationRequired"}})
        if len(asked.body) > 21_000:
            return said(413, {"error": {"code": "RequestEntityTooLarge"}})
        told = asked.json()
        [attachment] = told["attachments"]
        card = attachment["content"]
        if attachment["contentType"] != "application/vnd.microsoft.card.adaptive" or card["type"] != "AdaptiveCard":
            return said(400, {"error": {"code": "InvalidRequestContent"}})
        if not all(block["type"] in ("TextBlock", "CodeBlock") for block in card["body"]):
            return said(400, {"error": {"code": "InvalidRequestContent"}})
        self.taken.append(json.dumps(card, ensure_ascii=False))
        return said(202)
