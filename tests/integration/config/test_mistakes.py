import pytest

MANY = """\
heartbeats: {udp: 0.0.0.0:8765, directorys: [a]}
defaults: {silent_after: 90, first_beat_within: 1:30, max_runtime: "${NOPE}"}
jobs:
  - match: a
    silent_afte: 3s
  - {silent_after: off}
  - x
channels:
  a: {kind: hok}
  b: {kind: hook}
  b: {kind: hook}
  c: {kind: hook, url: 5, secret: s, secret_file: f}
routes:
  - to: [a, bb]
    match: {severity: critcal}
language: kr
foo: 1
"""
SECTIONS = "channels, control, defaults, group_interval, heartbeats, jobs, language, people, quiet, routes, store"


def test_all_mistakes_are_told_at_once_each_with_its_line(mistakes):
    assert mistakes(MANY) == [
        "1: heartbeats.directorys: unknown key (did you mean directories?)",
        "1: heartbeats.udp: others can reach this address (give a key_file, or listen on 127.0.0.1)",
        "2: defaults.first_beat_within: not a duration (write it as 90s, 10m, 1h30m or 2d)",
        "2: defaults.max_runtime: the environment variable NOPE is not set (write $${ for the text ${)",
        "2: defaults.silent_after: has no unit (write it as 90s, 10m, 1h30m or 2d, or auto)",
        "5: jobs[0].silent_afte: unknown key (did you mean silent_after?)",
        "6: jobs[1].match: is missing",
        "6: jobs[1].silent_after: not a duration (write it as 90s, 10m, 1h30m or 2d, or auto)",
        "7: jobs[2]: must be a mapping (write NAME: VALUE lines below it)",
        "9: channels.a.kind: unknown kind of channel (did you mean hook?; known: console, hook, mail)",
        "10: channels.b.url: is missing (or give url_file)",
        "11: channels.b: given twice (first on line 10)",
        "12: channels.c.secret_file: given besides secret (leave out secret or secret_file)",
        "12: channels.c.url: must be a text (put it in quotes)",
        "14: routes[0].to[1]: there is no such channel (did you mean b?)",
        "15: routes[0].match.severity: must be 'info', 'warning' or 'critical' (did you mean critical?)",
        "16: language: must be 'en' or 'ko'",
        f"17: foo: unknown key (known: {SECTIONS})",
    ]


A_WHOLE_DAY = 'a whole day is from "00:00" until "24:00"'
ROUTE = "continue, escalate, match, repeat_every, to"
HOW_LONG = "(write it as 90s, 10m, 1h30m or 2d)"
HOW_TO_EXPECT = '(write five fields: minute, hour, day, month, weekday; "30 2 * * *" is every night at half past two)'
HOW_TO_START = '(give the time as well: expected: "30 2 * * *")'
DEFAULTS = "first_beat_within, gpu_stalled_after, max_runtime, min_runtime, silent_after"
NO_FILE = (
    "the file cannot be read: No such file or directory"
    " (a relative name is looked for in $CREDENTIALS_DIRECTORY, then beside the configuration)"
)
HOW_TO_NAME_A_FILE = "takes the name of a file (leave out _file to give the value itself)"
KINDS = (
    "'crashed', 'interrupted', 'lost', 'stalled', 'silent', 'diverged', 'overdue', 'missing', 'finished', 'watchdog' "
    "or 'started'"
)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("hello", "1: must be a mapping (write NAME: VALUE lines below it)"),
        ("heartbeats: {udp: }",
         "1: heartbeats.udp: not an address with a port (write it as 127.0.0.1:8765 or [::1]:8765, or off)"),
        ("jobs: {match: a}", "1: jobs: must be a list (write [ONE, TWO])"),
        ("jobs: [{match: ''}]", "1: jobs[0].match: must not be empty"),
        ("jobs: [{match: 5}]", "1: jobs[0].match: must be a text (put it in quotes)"),
        ("routes: [{to: }]", "1: routes[0].to: must be a list (write [ONE, TWO])"),
        ("routes: [{to: [], match: {cause: [oom_kil]}}]",
         "1: routes[0].match.cause[0]: there is no such cause (did you mean oom_kill?)"),
        ("routes: [{to: [], match: {tag: vision}}]",
         "1: routes[0].match.tag: must be a mapping of tags to patterns (write tag: {team: vision})"),
        ("routes: [{to: [], match: {tag: {team: 5}}}]", "1: routes[0].match.tag: must be a list (write [ONE, TWO])"),
        ("routes: [{to: [], match: {not: {jb: x}}}]", "1: routes[0].match.not.jb: unknown key (did you mean job?)"),
        ("routes: [{to: '@usr'}]", "1: routes[0].to: there is no such channel (known: console)"),
        ("people: [mina]", "1: people: must be a mapping (write NAME: VALUE lines below it)"),
        ("people: {mina: [consol]}", "1: people.mina[0]: there is no such channel (did you mean console?)"),
        ("people: {mina: '@user'}", "1: people.mina: there is no such channel (known: console)"),
        ("routes: [{to: [], continue: maybe}]", "1: routes[0].continue: must be true or false"),
        ("routes: [{to: [], match: {kind: runing}}]", f"1: routes[0].match.kind: must be {KINDS}"),
        ("jobs: [{match: a, expected: '30 2 * *'}]", f"1: jobs[0].expected: not a cron expression {HOW_TO_EXPECT}"),
        ("jobs: [{match: a, expected: 5}]", f"1: jobs[0].expected: not a cron expression {HOW_TO_EXPECT}"),
        ("jobs: [{match: a, expected: '0 24 * * *'}]",
         f"1: jobs[0].expected: the hour is not within 0-23 {HOW_TO_EXPECT}"),
        ("jobs: [{match: a, expected: '0 1 * * frei'}]",
         "1: jobs[0].expected: the weekday is neither a number nor a name (sun, mon, tue, wed, thu, fri, sat or 0-7)"),
        ("jobs: [{match: a, expected: '5/10 1 * * *'}]",
         "1: jobs[0].expected: the minute is none that cron knows (write *, 5, 1-5, */15, 0-30/10 or a list: 1,3)"),
        ("jobs: [{match: a, expected: '0 0 31 2,4 *'}]",
         f"1: jobs[0].expected: the day never comes in these months {HOW_TO_EXPECT}"),
        ("jobs: [{match: a, start_within: 5m}]",
         f"1: jobs[0].start_within: nothing is expected that could start {HOW_TO_START}"),
        ("jobs: [{match: a, expected: x, start_within: 5m}]",
         f"1: jobs[0].expected: not a cron expression {HOW_TO_EXPECT}"),
        ("jobs: [{match: a, expcted: x}]", "1: jobs[0].expcted: unknown key (did you mean expected?)"),
        ("defaults: {expected: '30 2 * * *'}", f"1: defaults.expected: unknown key (known: {DEFAULTS})"),
        ("quiet: {from: 22:00, until: 8}", '1: quiet.until: not a time of the day (write it as "22:30")'),
        ('quiet: {from: "25:00", until: "08:00"}', '1: quiet.from: not a time of the day (write it as "22:30")'),
        ('quiet: {from: "22:00"}', "1: quiet.until: is missing"),
        ('quiet: {from: "08:00", until: "08:00"}', f"1: quiet: begins when it ends ({A_WHOLE_DAY})"),
        (
            'quiet: {from: "22:00", until: "08:00", zone: Asia/Soul}',
            "1: quiet.zone: there is no such time zone (did you mean Asia/Seoul?)",
        ),
        (
            'quiet: {from: "22:00", until: "08:00", days: [mon, tues]}',
            "1: quiet.days[1]: not a day of the week (known: mon, tue, wed, thu, fri, sat, sun)",
        ),
        ("group_interval: 30", "1: group_interval: has no unit (write it as 90s, 10m, 1h30m or 2d, or off)"),
        (
            "channels: {a: {kind: console, digest: daily}}",
            f"1: channels.a.digest: not a cron expression {HOW_TO_EXPECT}",
        ),
        (
            "routes: [{to: [], escalate: {after: 15m, to: bos}}]",
            "1: routes[0].escalate.to: there is no such channel (known: console)",
        ),
        ("store: {keep: 99999d}", f"1: store.keep: must be longer than nothing and at most 36500d {HOW_LONG}"),
        ("routes: [{to: [], 채널: x}]", f"1: routes[0].채널: unknown key (known: {ROUTE})"),
        ("channels:\n  a: {kind: console, url:https://x/y}\n", "2: channels.a.…: unknown key"),
        ("channels:\n  a/b: {kind: console}\n",
         "2: channels.…: not a name for a channel (take letters, digits, - and _)"),
        ("channels:\n  team_2.b: {kind: consol}\n",
         "2: channels.team_2.b.kind: unknown kind of channel (did you mean console?; known: console, hook, mail)"),
        ("channels: [a]", "1: channels: must be a mapping (write NAME: {kind: KIND} lines below it)"),
        ("channels:\n  a:\n", "2: channels.a.kind: is missing (write NAME: {kind: KIND})"),
        ("channels:\n  a: {}\n", "2: channels.a.kind: is missing (known: console, hook, mail)"),
        ("channels:\n  a: {kind: [hook]}\n",
         "2: channels.a.kind: unknown kind of channel (did you mean hook?; known: console, hook, mail)"),
        ("channels:\n  a: {kind: console, colour: no}\n", "2: channels.a.colour: unknown key"),
        ("channels:\n  a: {kind: mail, host: h, from: x, port: many}\n",
         "2: channels.a.port: should be a valid integer, unable to parse string as an integer"),
        ("channels:\n  a: {kind: hook, url: x, headers_file: y}\n",
         "2: channels.a.headers_file: unknown key (did you mean headers?)"),
        ("channels:\n  a: {kind: mail, host: h}\n", "2: channels.a.from: is missing"),
        ("channels:\n  a: {kind: hook, urls: x, url: y}\n", "2: channels.a.urls: unknown key (did you mean url?)"),
        ("channels:\n  a: {kind: hook, url: 'a${b'}\n",
         "2: channels.a.url: ${ begins no name of a variable (write $${ for the text ${)"),
        ("channels:\n  a: {kind: hook, url: x, headers: {A_file: 5}}\n",
         f"2: channels.a.headers.A_file: {HOW_TO_NAME_A_FILE}"),
        ("channels:\n  a: {kind: hook, url_file: 'https://x/y'}\n",
         f"2: channels.a.url_file: {HOW_TO_NAME_A_FILE}"),
    ],
)  # fmt: skip
def test_each_mistake_says_what_is_wrong_and_what_to_write(mistakes, text, mistake):
    assert mistakes(text) == [mistake]


def test_a_secret_file_that_cannot_be_used_is_told_by_its_key(mistakes, tmp_path):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    text = "channels:\n" + "".join(
        f"  {name}: {{kind: hook, url_file: {name}}}\n" for name in ("none", "empty", "binary")
    )
    assert mistakes(f"{text}heartbeats: {{key_file: none, udp: 0.0.0.0:1}}") == [
        f"2: channels.none.url_file: {NO_FILE}",
        "3: channels.empty.url_file: the file is empty",
        "4: channels.binary.url_file: the file is not UTF-8 text",
        f"5: heartbeats.key_file: {NO_FILE}",
    ]


def test_every_bad_file_is_told_of_without_reading_it_all(mistakes, tmp_path):
    (tmp_path / "huge").write_bytes(b"x" * 70_000)
    assert mistakes("heartbeats: {key_file: huge}") == [
        "1: heartbeats.key_file: the file is longer than 65536 bytes",
    ]
