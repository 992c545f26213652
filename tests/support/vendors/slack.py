"""Slack: incoming webhooks and the web API (docs.slack.dev). A stand-in."""

import json
import urllib.parse

from vendors import Vendor, said

PATH = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"
TOKEN, CHANNEL = "xoxb-0123456789-geheim", "C024BE91L"


def blocks_fault(message):
    blocks = message.get("blocks", [])
    if not message.get("text") or len(message["text"]) > 40_000:
        return "no_text"
    if len(blocks) > 50 or not all(map(is_section, blocks)):
        return "invalid_blocks"
    return "msg_blocks_too_long" if sum(len(block["text"]["text"]) for block in blocks) > 13_200 else None


def is_section(block):
    text = block.get("text", {})
    return (
        block.keys() == {"type", "text"}
        and block["type"] == "section"
        and text.keys() <= {"type", "text", "verbatim"}
        and text["type"] == "mrkdwn"
        and 1 <= len(text["text"]) <= 3000
        and "<" not in text["text"]
    )


class SlackWebhook(Vendor):
    REFUSALS = {
        "later": [said(429, "", {"Retry-After": "30"}), said(503, "upstream"), said(500, "rollup_error")],
        "message": [said(400, "invalid_blocks"), said(400, "invalid_payload")],
        "channel": [said(404, "no_service"), said(403, "action_prohibited"), said(400, "invalid_token"), said(410)],
    }

    def options(self, url):
        return {"kind": "slack", "url": url + PATH}

    def judge(self, asked):
        message = asked.json()
        if asked.path != PATH:
            return said(404, "no_service")
        if asked.headers.get("content-type") != "application/json" or message is None:
            return said(400, "invalid_payload")
        if not message.keys() <= {"text", "blocks"} or (fault := blocks_fault(message)):
            return said(400, "invalid_payload" if not message.keys() <= {"text", "blocks"} else fault)
        self.taken.append(json.dumps(message, ensure_ascii=False))
        return said(200, "ok")


class SlackBot(Vendor):
    """Refusals are 200 with ``ok: false``. What it holds is by ``ts``; files are taken in three steps."""

    REFUSALS = {
        "later": [said(200, {"ok": False, "error": "internal_error"}), said(429, "", {"Retry-After": "1"}), said(502)],
        "message": [said(200, {"ok": False, "error": "msg_too_long"})],
        "channel": [
            said(200, {"ok": False, "error": "invalid_auth"}),
            said(200, {"ok": False, "error": "not_in_channel"}),
        ],
    }

    def __init__(self):
        super().__init__()
        self.messages, self.files, self.base = {}, {}, ""

    def options(self, url):
        self.base = url
        return {"kind": "slack", "token": TOKEN, "channel": CHANNEL, "api": f"{url}/api"}

    def judge(self, asked):
        if asked.path.startswith("/upload/"):
            self.files[asked.path.rpartition("/")[2]] = asked.body
            return said(200, "OK")
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return said(200, {"ok": False, "error": "invalid_auth"})
        method = asked.path.removeprefix("/api/")
        if method == "files.getUploadURLExternal":
            return self.place(dict(urllib.parse.parse_qsl(asked.body.decode())))
        if asked.headers.get("content-type") != "application/json; charset=utf-8":
            return said(200, {"ok": False, "error": "invalid_json"})
        return said(200, getattr(self, method.replace(".", "_"))(asked.json()))

    def chat_postMessage(self, told):  # noqa: N802 - the method's name
        if told.get("channel") != CHANNEL:
            return {"ok": False, "error": "channel_not_found"}
        if told.get("thread_ts", None) not in (None, *self.messages):
            return {"ok": False, "error": "thread_not_found"}
        if fault := blocks_fault(told):
            return {"ok": False, "error": fault}
        ts = f"17000000{len(self.messages):02}.000100"
        self.messages[ts] = told
        self.taken.append(json.dumps(told, ensure_ascii=False))
        return {"ok": True, "ts": ts, "channel": CHANNEL}

    def chat_update(self, told):
        if told.get("ts") not in self.messages:
            return {"ok": False, "error": "message_not_found"}
        if fault := blocks_fault(told):
            return {"ok": False, "error": fault}
        self.messages[told["ts"]] = told
        self.taken.append(json.dumps(told, ensure_ascii=False))
        return {"ok": True, "ts": told["ts"]}

    def place(self, told):
        if not told.get("filename") or int(told.get("length", 0)) <= 0:
            return said(200, {"ok": False, "error": "invalid_arguments"})
        return said(200, {"ok": True, "upload_url": f"{self.base}/upload/F1", "file_id": "F1"})

    def files_completeUploadExternal(self, told):  # noqa: N802 - the method's name
        known = all(file["id"] in self.files for file in told["files"])
        return {"ok": True} if known and told.get("thread_ts") in self.messages else {"ok": False, "error": "bad"}
