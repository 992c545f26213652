"""What ``epochwatchd setup`` says, in each language."""

from __future__ import annotations

from collections.abc import Mapping

from epochwatchd.config import Language

TEXTS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "choose": "(arrow keys, Enter)",
        "choose_many": "(arrow keys, Space to choose, Enter to go on)",
        "which": "Where shall alerts go?",
        "none_chosen": "choose one at least, with Space",
        "what": "What do you want to do?",
        "save": "Save and leave",
        "leave": "Leave, change nothing",
        "add": "Add a channel",
        "change": "Change {name} ({kind})",
        "remove": "Remove {name}",
        "form": "The form of the messages, and their language",
        "who": "Which channel is told of what",
        "keep": "{ask} (empty: as it is)",
        "needed": "this is needed",
        "login": "Log in: open this page in a browser and agree:\n\n   {page}\n\nThe browser then goes to {address}."
        " If that page does not open, copy its address and paste it here:",
        "sending": "{name}: sending a test message …",
        "sent": "{name}: ok, {said}. Has it arrived?",
        "failed": "{name}: FAILED: {said}",
        "again": "What now?",
        "retype": "Type it again",
        "resend": "Send again",
        "keep_it": "Keep it as it is",
        "drop": "Leave this channel out",
        "style": "How long shall messages be?",
        "full": "full: all that is known, with the log",
        "short": "short: what happened and what to do",
        "wants": "What is {name} told?",
        "all": "Everything, starts too",
        "usual": "Everything but starts",
        "bad": "What is bad: crashes, hangs, warnings",
        "worst": "Only what is critical: crashes and hangs",
        "by_hand": "The routes were written by hand and say more than this can. Replace them?",
        "yes": "Yes, replace them",
        "no": "No, leave them as they are",
        "unrouted": "note: no route names {name}; add it to `routes` in {path}",
        "note": "note: {note}",
        "saved": "Saved: {path}",
        "unchanged": "Nothing was changed.",
        "next_user": "Next:\n"
        "  systemctl --user reload epochwatchd    where it runs as a service of yours\n"
        "  epochwatchd serve                      or in a terminal",
        "next_service": "Next: sudo systemctl reload epochwatchd",
        "taken_up": "The running service has read it.",
        "others": "{path} is the machine's, and not yours to change. This makes a configuration of your own.",
        "no_terminal": "epochwatchd setup asks in a terminal, and this is none. Write {path} yourself, for one:",
        "then": "Each secret goes into a file beside it that only you can read (mode 600), as {name}. Then:\n"
        "  epochwatchd check\n"
        "  epochwatchd test-alert\n"
        "All kinds of channels: docs/channels.md",
    },
    "ko": {
        "choose": "(화살표, Enter)",
        "choose_many": "(화살표로 이동, 스페이스로 선택, Enter로 다음)",
        "which": "알림을 어디로 보낼까요?",
        "none_chosen": "스페이스로 하나 이상 고르세요",
        "what": "무엇을 할까요?",
        "save": "저장하고 끝내기",
        "leave": "바꾸지 않고 끝내기",
        "add": "채널 추가",
        "change": "{name} 바꾸기 ({kind})",
        "remove": "{name} 지우기",
        "form": "메시지 형식과 언어",
        "who": "채널별로 받을 알림",
        "keep": "{ask} (비우면 그대로)",
        "needed": "꼭 필요합니다",
        "login": "로그인: 브라우저에서 이 페이지를 열고 동의하세요:\n\n   {page}\n\n"
        "그러면 브라우저가 {address}(으)로 이동합니다. 페이지가 열리지 않으면 그 주소를 복사해 여기에 붙여 넣으세요:",
        "sending": "{name}: 시험 메시지를 보내는 중 …",
        "sent": "{name}: 성공, {said}. 메시지가 왔나요?",
        "failed": "{name}: 실패: {said}",
        "again": "어떻게 할까요?",
        "retype": "다시 입력",
        "resend": "다시 보내기",
        "keep_it": "그대로 두기",
        "drop": "이 채널은 빼기",
        "style": "메시지는 얼마나 길게 할까요?",
        "full": "full: 로그까지 모두",
        "short": "short: 무슨 일인지와 조치만",
        "wants": "{name}에는 무엇을 알릴까요?",
        "all": "모두, 시작도",
        "usual": "시작을 뺀 모두",
        "bad": "나쁜 일만: 비정상 종료, 멈춤, 경고",
        "worst": "심각한 일만: 비정상 종료와 멈춤",
        "by_hand": "routes가 직접 작성되어 있어 여기서 나타낼 수 없습니다. 바꿀까요?",
        "yes": "예, 바꿉니다",
        "no": "아니요, 그대로 둡니다",
        "unrouted": "참고: {name}(으)로 가는 route가 없습니다. {path}의 `routes`에 추가하세요",
        "note": "참고: {note}",
        "saved": "저장함: {path}",
        "unchanged": "바꾼 것이 없습니다.",
        "next_user": "다음:\n"
        "  systemctl --user reload epochwatchd    내 서비스로 실행 중이면\n"
        "  epochwatchd serve                      또는 터미널에서 실행",
        "next_service": "다음: sudo systemctl reload epochwatchd",
        "taken_up": "실행 중인 서비스가 새 설정을 읽었습니다.",
        "others": "{path}은(는) 서버 전체의 설정이라 바꿀 수 없습니다. 자신의 설정을 새로 만듭니다.",
        "no_terminal": "epochwatchd setup은 터미널에서 묻습니다. 터미널이 아니므로 {path}을(를) 직접 쓰세요. 예:",
        "then": "비밀번호와 토큰은 그 옆의 파일에 넣고 자신만 읽게 합니다 (모드 600), 예: {name}. 그다음:\n"
        "  epochwatchd check\n"
        "  epochwatchd test-alert\n"
        "모든 채널: docs/channels.ko.md",
    },
}
