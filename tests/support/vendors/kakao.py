"""Kakao's messages and login (developers.kakao.com). A stand-in: tokens rotate, and an old one is dead at once."""

import json
import urllib.parse

from vendors import Vendor, said

KEY, SECRET, LINK = "geheim-rest-key-0123456789", "geheim-client-secret", "https://lab.example.com"
CODE, REDIRECT = "geheim-code-0123456789", "http://localhost:8766/kakao"
FRIENDS = ("uuid-1", "uuid-2")


def code(number, text="", status=400):
    return said(status, {"msg": text, "code": number})


class Kakao(Vendor):
    REFUSALS = {
        "later": [code(-1, "internal"), code(-7, "maintenance"), code(-603, "time-out"), said(503)],
        "message": [code(-2, "template_object can't be parsed")],
        "channel": [code(-3, "set-up", 403), code(-5, "forbidden", 403), code(-402, "insufficient scopes", 403)],
        "until": [code(-532, "daily"), code(-10, "limit")],
    }

    def __init__(self):
        super().__init__()
        self.refresh, self.access, self.count = "geheim-refresh-0", "geheim-access-0", 0
        self.rotates, self.redirect = False, REDIRECT

    def options(self, url, **more):
        given = {"rest_api_key": KEY, "client_secret": SECRET, "link": LINK, "api": url, "auth": url, **more}
        return {"kind": "kakao", **given}

    def memory(self):
        """What the channel remembers after a login."""
        return {"refresh_token": self.refresh, "access_token": self.access, "expires_wall": 4e9}

    def judge(self, asked):
        form = dict(urllib.parse.parse_qsl(asked.body.decode()))
        if asked.path == "/oauth/token":
            return self.renew(form)
        if asked.headers.get("authorization") != f"Bearer {self.access}":
            return code(-401, "this access token does not exist", 401)
        template = json.loads(form["template_object"])
        if template["object_type"] != "text" or not 0 < len(template["text"]) <= 200:
            return code(-2, "text is invalid")
        if template["link"].get("web_url") != LINK:
            return code(-2, "link is required")
        self.taken.append(template["text"])
        if asked.path == "/v2/api/talk/memo/default/send":
            return said(200, {"result_code": 0})
        return said(200, {"successful_receiver_uuids": json.loads(form["receiver_uuids"])})

    def renew(self, form):
        if (form.get("client_id"), form.get("client_secret")) != (KEY, SECRET):
            return said(401, {"error": "invalid_client", "error_code": "KOE010"})
        if form.get("grant_type") == "authorization_code":
            if (form.get("code"), form.get("redirect_uri")) != (CODE, self.redirect):
                return said(400, {"error": "invalid_grant", "error_code": "KOE320"})
        elif form.get("refresh_token") != self.refresh:
            return said(400, {"error": "invalid_grant", "error_code": "KOE322"})
        self.count += 1
        self.access = f"geheim-access-{self.count}"
        told = {"access_token": self.access, "token_type": "bearer", "expires_in": 21599}
        if self.rotates or form["grant_type"] == "authorization_code":
            self.refresh = f"geheim-refresh-{self.count}"
            told |= {"refresh_token": self.refresh, "refresh_token_expires_in": 5183999}
        return said(200, told)
