"""What ``epochwatchd setup`` offers, and what it asks for each. Data only: a new service is a row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from epochwatchd.config import Language

Words = Mapping[Language, str]


class Field(NamedTuple):
    """One thing to ask.

    key: what it is called in the configuration.
    default: taken where nothing is typed; ``{KEY}`` stands for an earlier answer.
    is_secret: it is not shown, and is written into a file of its own.
    is_list: several may be given, with commas between.
    is_optional: it may be left empty.
    """

    key: str
    ask: Words
    default: str = ""
    is_secret: bool = False
    is_list: bool = False
    is_optional: bool = False


class Service(NamedTuple):
    """A place where messages may go.

    title: what people call it.
    kind: of channel.
    steps: what to do there before the questions, a line each.
    fixed: options that are not asked.
    """

    title: Words
    kind: str
    steps: Words
    fields: tuple[Field, ...]
    fixed: Mapping[str, str] = {}


def _both(en: str, ko: str) -> Words:
    return {"en": en, "ko": ko}


def _mail(title: Words, steps: Words, preset: str) -> Service:
    password = _both("Application password", "애플리케이션 비밀번호")
    fields = (_ADDRESS, Field("password", password, is_secret=True), _RECIPIENTS)
    return Service(title, "email", steps, fields, {"preset": preset})


_WEBHOOK = _both("Webhook URL", "웹훅 URL")
_URL = (Field("url", _WEBHOOK, is_secret=True),)
_ADDRESS = Field("user", _both("Your address", "내 메일 주소"))
_RECIPIENTS = Field("to", _both("Send to (commas between)", "받는 주소 (여러 개면 쉼표로)"), "{user}", is_list=True)

SERVICES: Mapping[str, Service] = {
    "kakao": Service(
        _both("KakaoTalk (a memo to yourself)", "카카오톡 (나에게 보내기)"),
        "kakao",
        _both(
            "1. https://developers.kakao.com: make an app. Switch on Kakao Login, and its consent item 'Send message in"
            " KakaoTalk'.\n"
            "2. App key: register the redirect URI http://localhost:8766/kakao. Product Link: register a domain.\n"
            "It rings no phone: choose a second service for what is urgent.",
            "1. developers.kakao.com에서 앱을 만들어 카카오 로그인과 동의항목 '카카오톡 메시지 전송'을 켭니다.\n"
            "2. 앱 키에 Redirect URI http://localhost:8766/kakao 를, 제품 링크에 도메인을 등록합니다.\n"
            "나에게 보내기는 알림음이 울리지 않습니다. 급한 일을 위해 다른 채널도 고르세요.",
        ),
        (
            Field("rest_api_key", _both("REST API key", "REST API 키"), is_secret=True),
            Field(
                "client_secret",
                _both("Client secret (if it is switched on)", "클라이언트 시크릿 (켠 경우)"),
                is_secret=True,
                is_optional=True,
            ),
            Field("link", _both("A page of the registered domain (https://…)", "등록한 도메인의 주소 (https://…)")),
        ),
    ),
    "naver": _mail(
        _both("Naver mail", "네이버 메일"),
        _both(
            "1. Naver mail, settings: switch on POP3/SMTP.\n2. 2-step login, then make an application password.",
            "1. 네이버 메일 환경설정에서 POP3/SMTP를 켭니다.\n2. 2단계 인증을 켜고 애플리케이션 비밀번호를 만듭니다.",
        ),
        "naver",
    ),
    "line": Service(
        _both("LINE", "LINE"),
        "line",
        _both(
            "1. https://developers.line.biz: a Messaging API channel, and its channel access token (long-lived).\n"
            "2. Add the channel's account as a friend.",
            "1. https://developers.line.biz에서 Messaging API 채널을 만들고 channel access token을 발급합니다.\n"
            "2. 그 계정을 친구로 추가합니다.",
        ),
        (
            Field("token", _both("Channel access token", "Channel access token"), is_secret=True),
            Field("to", _both("Your user ID (U…), or a group's id", "Your user ID(U…) 또는 그룹 ID")),
        ),
    ),
    "slack": Service(
        _both("Slack", "Slack"),
        "slack",
        _both(
            "1. https://api.slack.com/apps: Create New App, From scratch.\n"
            "2. Incoming Webhooks: switch on, Add New Webhook, choose the channel, copy the URL.",
            "1. https://api.slack.com/apps에서 앱을 만듭니다.\n"
            "2. Incoming Webhooks를 켜고 채널을 고른 뒤 URL을 복사합니다.",
        ),
        _URL,
    ),
    "slack-bot": Service(
        _both("Slack bot (answers in threads)", "Slack 봇 (스레드로 답함)"),
        "slack",
        _both(
            "1. https://api.slack.com/apps: OAuth & Permissions, Bot Token Scopes: chat:write, files:write. Install.\n"
            "2. In the channel: /invite @NAME.",
            "1. https://api.slack.com/apps에서 봇 권한 chat:write, files:write를 주고 설치합니다.\n"
            "2. 채널에서 /invite @이름 을 씁니다.",
        ),
        (
            Field("token", _both("Bot token (xoxb-…)", "봇 토큰 (xoxb-…)"), is_secret=True),
            Field("channel", _both("The channel's id (C…)", "채널 ID (C…)")),
        ),
    ),
    "telegram": Service(
        _both("Telegram", "Telegram"),
        "telegram",
        _both(
            "1. Write /newbot to @BotFather. It answers with a token.\n"
            "2. Write something to your bot, or add it to a group.\n"
            "3. https://api.telegram.org/botTOKEN/getUpdates shows chat: {id: …}. A group's id is negative.",
            "1. @BotFather에게 /newbot 을 보내고 토큰을 받습니다.\n"
            "2. 봇에게 아무 말이나 보내거나 그룹에 초대합니다.\n"
            "3. https://api.telegram.org/botTOKEN/getUpdates 에서 chat: {id: …}를 찾습니다. 그룹 번호는 음수입니다.",
        ),
        (
            Field("token", _both("Bot token", "봇 토큰"), is_secret=True),
            Field("chat", _both("Chat id", "chat id")),
        ),
    ),
    "discord": Service(
        _both("Discord", "Discord"),
        "discord",
        _both(
            "The channel's settings: Integrations, Webhooks, New Webhook, Copy Webhook URL.",
            "채널 설정의 연동, 웹후크에서 새 웹후크를 만들고 URL을 복사합니다.",
        ),
        _URL,
    ),
    "naverworks": Service(
        _both("Naver Works", "네이버웍스"),
        "naverworks",
        _both(
            "In the room: add the app Incoming Webhook, and copy its URL.",
            "대화방에 Incoming Webhook 앱을 추가하고 URL을 복사합니다.",
        ),
        _URL,
    ),
    "teams": Service(
        _both("Microsoft Teams", "Microsoft Teams"),
        "teams",
        _both(
            "The channel's menu: Workflows, 'Post to a channel when a webhook request is received'.",
            "채널 메뉴의 Workflows에서 'webhook 요청을 받으면 채널에 게시'를 만듭니다.",
        ),
        _URL,
    ),
    "ntfy": Service(
        _both("ntfy (push to a phone)", "ntfy (휴대폰 푸시)"),
        "ntfy",
        _both(
            "Install the app, and subscribe to a topic whose name nobody can guess: whoever knows it reads along.",
            "앱을 설치하고 아무도 짐작할 수 없는 이름의 토픽을 구독합니다. 이름을 아는 사람은 모두 읽을 수 있습니다.",
        ),
        (
            Field("topic", _both("Topic", "토픽"), is_secret=True),
            Field("url", _both("Server", "서버"), "https://ntfy.sh"),
        ),
    ),
    "gmail": _mail(
        _both("Gmail", "Gmail"),
        _both(
            "2-step login, then make an app password: https://myaccount.google.com/apppasswords",
            "2단계 인증을 켜고 앱 비밀번호를 만듭니다: https://myaccount.google.com/apppasswords",
        ),
        "gmail",
    ),
    "daum": _mail(
        _both("Daum mail", "다음 메일"),
        _both(
            "1. Daum mail, settings: switch on IMAP/SMTP.\n2. 2-step login, then make an application password.",
            "1. 다음 메일 설정에서 IMAP/SMTP를 켭니다.\n2. 2단계 인증을 켜고 앱 비밀번호를 만듭니다.",
        ),
        "daum",
    ),
    "mail": Service(
        _both("E-mail by another server", "다른 서버의 메일 (SMTP)"),
        "email",
        _both("Microsoft's mail takes no password any more.", "Microsoft 메일은 이제 비밀번호로 보낼 수 없습니다."),
        (
            Field("host", _both("SMTP server", "SMTP 서버")),
            Field("port", _both("Port (465 is TLS, 25 is none)", "포트 (465는 TLS, 25는 암호화 없음)"), "587"),
            Field("user", _both("User (empty: no login)", "사용자 (비우면 로그인 없음)"), is_optional=True),
            Field("password", _both("Password", "비밀번호"), is_secret=True, is_optional=True),
            Field("from", _both("Sender's address", "보내는 주소"), "{user}"),
            _RECIPIENTS._replace(default="{from}"),
        ),
    ),
    "desktop": Service(
        _both("This desktop", "이 데스크톱"),
        "desktop",
        _both(
            "Only for a daemon that you start in your desktop session: sudo apt install libnotify-bin",
            "데스크톱 세션에서 직접 띄운 데몬에서만 됩니다: sudo apt install libnotify-bin",
        ),
        (),
    ),
    "sound": Service(
        _both("A sound on this computer", "이 컴퓨터의 소리"),
        "sound",
        _both(
            "Only for a daemon that you start in your desktop session: sudo apt install alsa-utils",
            "데스크톱 세션에서 직접 띄운 데몬에서만 됩니다: sudo apt install alsa-utils",
        ),
        (),
    ),
    "webhook": Service(
        _both("Webhook (JSON, for programs)", "웹훅 (프로그램용 JSON)"),
        "webhook",
        _both(
            "Each message is posted as JSON, see docs/channels.md.",
            "메시지마다 JSON을 보냅니다. docs/channels.ko.md 참고.",
        ),
        (
            Field("url", _both("URL", "URL"), is_secret=True),
            Field(
                "secret",
                _both("Key to sign with (may be empty)", "서명 키 (비워도 됨)"),
                is_secret=True,
                is_optional=True,
            ),
        ),
    ),
    "alertmanager": Service(
        _both("Prometheus Alertmanager", "Prometheus Alertmanager"),
        "alertmanager",
        _both("Name every member of a cluster.", "클러스터라면 모든 서버를 적으세요."),
        (
            Field(
                "url", _both("URLs (commas between)", "URL (여러 개면 쉼표로)"), "http://localhost:9093", is_list=True
            ),
        ),
    ),
    "apprise": Service(
        _both("Any other, by Apprise", "그 밖의 서비스 (Apprise)"),
        "apprise",
        _both(
            "Addresses: https://appriseit.com/services. It needs the package: python -m pip install apprise",
            "주소: https://appriseit.com/services. 패키지가 필요합니다: python -m pip install apprise",
        ),
        (Field("url", _both("Apprise address", "Apprise 주소"), is_secret=True),),
    ),
    "command": Service(
        _both("A program of your own", "직접 만든 프로그램"),
        "command",
        _both(
            "It gets each message as JSON on its standard input; 0 means taken.",
            "메시지마다 표준 입력으로 JSON을 받습니다. 0을 돌려주면 받은 것입니다.",
        ),
        (Field("run", _both("Its path", "프로그램 경로")),),
    ),
}
