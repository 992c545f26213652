"""Telegram's bot API (core.telegram.org/bots/api). A stand-in."""

import time

from vendors import Vendor, said

TOKEN, CHAT, MOVED = "123456:geheim-0123456789abcdef", -100, -1001234


def refused(code, description, **parameters):
    headers = {"ok": False, "error_code": code, "description": description}
    return said(code, {**headers, **({"parameters": parameters} if parameters else {})})


def utf16(text):
    return len(text.encode("utf-16-le")) // 2


def fault_of(told):
    """What is wrong with a message itself."""
    if not told.get("text", "").strip() or utf16(told["text"]) > 4096:
        return "message is too long"
    if any(e["length"] <= 0 or e["offset"] + e["length"] > utf16(told["text"]) for e in told.get("entities", [])):
        return "entities"
    rows = told.get("reply_markup", {}).get("inline_keyboard", [])
    if any(not 1 <= len(button["callback_data"].encode()) <= 64 for row in rows for button in row):
        return "BUTTON_DATA_INVALID"
    return None


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
        self.updates, self.answered, self.pressed = [], [], 0

    def options(self, url):
        return {"kind": "telegram", "token": TOKEN, "chat": CHAT, "api": url}

    def press(self, data, chat=None, **more):
        """Somebody presses a button."""
        self.pressed += 1
        number = self.pressed
        query = {
            "id": f"q{number}",
            "from": {"id": 7, "first_name": "Mina"},
            "message": {"message_id": 1, "chat": {"id": self.chat if chat is None else chat}},
            "data": data,
        }
        self.updates.append({"update_id": 100 + number, "callback_query": {**query, **more}})

    def updates_after(self, told):
        """Real ones wait for ``timeout``; who asks with an offset has taken all before it."""
        if not (isinstance(told["timeout"], int) and told["allowed_updates"] == ["callback_query"]):
            return refused(400, "Bad Request")
        self.updates = [update for update in self.updates if update["update_id"] >= told.get("offset", 0)]
        if not self.updates:
            time.sleep(0.05)
        return said(200, {"ok": True, "result": self.updates})

    def judge(self, asked):
        token, _, method = asked.path.removeprefix("/bot").rpartition("/")
        told = asked.json()
        if token != TOKEN:
            return refused(401, "Unauthorized")
        if method == "getUpdates":
            return self.updates_after(told)
        if method == "answerCallbackQuery":
            self.answered.append((told["callback_query_id"], told["text"]))
            return said(200, {"ok": True, "result": True})
        if told["chat_id"] != self.chat:
            if told["chat_id"] == CHAT:
                return refused(400, "Bad Request: group chat was upgraded", migrate_to_chat_id=self.chat)
            return refused(400, "Bad Request: chat not found")
        if wrong := fault_of(told):
            return refused(400, f"Bad Request: {wrong}")
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
