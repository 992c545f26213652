"""Telegram's bot API (core.telegram.org/bots/api). A stand-in."""

from vendors import Vendor, said

TOKEN, CHAT, MOVED = "123456:geheim-0123456789abcdef", -100, -1001234


def refused(code, description, **parameters):
    headers = {"ok": False, "error_code": code, "description": description}
    return said(code, {**headers, **({"parameters": parameters} if parameters else {})})


def utf16(text):
    return len(text.encode("utf-16-le")) // 2


class Telegram(Vendor):
    REFUSALS = {
        "later": [refused(429, "Too Many Requests: retry after 7", retry_after=7), said(502, "<html>")],
        "message": [refused(400, "Bad Request: message is too long")],
        "channel": [
            refused(401, "Unauthorized"),
            refused(403, "Forbidden: bot was blocked by the user"),
            refused(400, "Bad Request: chat not found"),
        ],
    }

    def __init__(self):
        super().__init__()
        self.chat, self.messages = CHAT, {}

    def options(self, url):
        return {"kind": "telegram", "token": TOKEN, "chat": CHAT, "api": url}

    def judge(self, asked):
        token, _, method = asked.path.removeprefix("/bot").rpartition("/")
        told = asked.json()
        if token != TOKEN:
            return refused(401, "Unauthorized")
        if told["chat_id"] != self.chat:
            if told["chat_id"] == CHAT:
                return refused(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=self.chat)
            return refused(400, "Bad Request: chat not found")
        if not told.get("text", "").strip() or utf16(told["text"]) > 4096:
            return refused(400, "Bad Request: message is too long")
        if any(e["length"] <= 0 or e["offset"] + e["length"] > utf16(told["text"]) for e in told.get("entities", [])):
            return refused(400, "Bad Request: entities")
        if method == "editMessageText":
            if told["message_id"] not in self.messages:
                return refused(400, "Bad Request: message to edit not found")
            if self.messages[told["message_id"]]["text"] == told["text"]:
                return refused(400, "Bad Request: message is not modified")
            number = told["message_id"]
        else:
            number = len(self.messages) + 1
        self.messages[number] = told
        self.taken.append(told["text"])
        return said(200, {"ok": True, "result": {"message_id": number}})
