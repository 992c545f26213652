"""Against the real thing, where it can be had: Alertmanagers in a cluster, Postfix with Dovecot, a desktop."""

import contextlib
import imaplib
import json
import os
import shutil
import subprocess
import tempfile
import urllib.parse
import urllib.request
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from types import SimpleNamespace

import certificates
import pytest
from servers import answers, free_port, listens, needs, running, until
from telling import DictMemory, sending, told

from epochwatchd.alerting.channels import alertmanager
from epochwatchd.model import ChannelError

# Alertmanager


@pytest.fixture
def cluster(tmp_path):
    """Two Alertmanagers that know each other: their URLs."""
    needs("prometheus-alertmanager")
    (tmp_path / "am.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    peers, urls = [], []
    with contextlib.ExitStack() as stack, open(tmp_path / "log", "wb") as log:
        for number in range(2):
            web, peer = free_port(), free_port()
            line = [
                "prometheus-alertmanager", f"--config.file={tmp_path / 'am.yml'}",
                f"--storage.path={tmp_path / str(number)}", f"--web.listen-address=127.0.0.1:{web}",
                f"--cluster.listen-address=127.0.0.1:{peer}", f"--cluster.advertise-address=127.0.0.1:{peer}",
                *(f"--cluster.peer={other}" for other in peers),
            ]  # fmt: skip
            stack.enter_context(running(*line, stdout=log, stderr=log))
            peers.append(f"127.0.0.1:{peer}")
            urls.append(f"http://127.0.0.1:{web}")
        for url in urls:
            until(lambda url=url: answers(f"{url}/-/ready"), "an Alertmanager")
        yield urls


def alerts(url):
    with urllib.request.urlopen(f"{url}/api/v2/alerts?active=true", timeout=5.0) as answer:
        return {alert["labels"]["run"]: alert for alert in json.load(answer)}


def test_both_alertmanagers_show_what_is_wrong_and_nothing_else(cluster, crash):
    send, options = sending({"kind": "alertmanager", "url": cluster, "labels": {"team": "vision"}})
    memory = DictMemory()
    for run in ("x", "y"):
        silent = replace(crash, id=run, run=run, kind="silent", job="학습 <&>")
        assert send(told(silent, memory=memory)).said == "taken by 2 of 2"
    for url in cluster:
        shown = alerts(url)
        assert set(shown) == {"x", "y"}
        assert shown["x"]["labels"]["job"] == "학습 <&>"
        assert shown["x"]["annotations"]["summary"].startswith("💀 resnet50")
    alertmanager.refresh(options, memory, frozenset("y"))
    for url in cluster:
        assert set(alerts(url)) == {"y"}
    send(told(replace(crash, id="y", run="y", kind="silent", job="학습 <&>", status="resolved"), memory=memory))
    for url in cluster:
        assert alerts(url) == {}


def test_a_real_alertmanager_refuses_an_alert_without_labels_in_its_own_words(cluster, crash):
    send, _ = sending({"kind": "alertmanager", "url": cluster[0], "labels": {"not a label": "x"}})
    with pytest.raises(ChannelError, match="400") as refused:
        send(told(crash))
    assert refused.value.refusal == "message"


# Postfix, with Dovecot for its logins and for reading

PASSWORD = "geheim-0123456789"
DOVECOT = """
protocols = imap
base_dir = {at}/run
log_path = {at}/dovecot.log
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:{at}/mail/%n
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid=nobody gid=nogroup home={at}/mail/%n
}}
service auth {{
  unix_listener {at}/auth {{
    mode = 0666
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
"""
MAIN_CF = """
compatibility_level = 3.6
queue_directory = {at}/queue
data_directory = {at}/data
maillog_file = {at}/postfix.log
maillog_file_prefixes = {at}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
virtual_mailbox_domains = example.com
virtual_mailbox_base = {at}/mail
virtual_mailbox_maps = inline:{{ mina@example.com=mina/, jin@example.com=jin/, late@example.com=late/ }}
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
smtpd_tls_eccert_file = {certificate}
smtpd_tls_eckey_file = {certificate}
smtpd_tls_security_level = encrypt
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {at}/auth
smtpd_recipient_restrictions = check_recipient_access texthash:{at}/access, permit_sasl_authenticated, reject
"""
MASTER_CF = """
127.0.0.1:{smtp} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


@pytest.fixture
def post():
    """A mail server: the options to reach it, what lets it refuse somebody, and what reads a mailbox."""
    needs("postfix", "dovecot")
    if os.geteuid() != 0:
        pytest.skip("Postfix wants root")
    with tempfile.TemporaryDirectory(prefix="post-") as folder, contextlib.ExitStack() as stack:
        at = Path(folder)
        at.chmod(0o755)
        smtp, imap = free_port(), free_port()
        certificate = certificates.issue(at)
        for name in ("queue", "data", "mail", "etc", "run"):
            (at / name).mkdir()
            shutil.chown(at / name, {"data": "postfix", "mail": "nobody"}.get(name, "root"))
        known = {"at": at, "smtp": smtp, "imap": imap, "password": PASSWORD, "certificate": certificate.server}
        (at / "dovecot.conf").write_text(DOVECOT.format(**known))
        (at / "etc/main.cf").write_text(MAIN_CF.format(**known))
        (at / "etc/master.cf").write_text(MASTER_CF.format(**known))
        (at / "access").write_text("")
        log = stack.enter_context(open(at / "log", "wb"))
        stack.enter_context(running("dovecot", "-F", "-c", at / "dovecot.conf", stdout=log, stderr=log))
        stack.enter_context(running("postfix", "-c", at / "etc", "start-fg", stdout=log, stderr=log))
        stop = ["postfix", "-c", at / "etc", "stop"]
        stack.callback(lambda: subprocess.run(stop, check=False, stdout=log, stderr=log))
        until(lambda: listens(smtp) and listens(imap), "the mail server")

        def refuse(*lines):
            (at / "access").write_text("".join(f"{line}\n" for line in lines))
            subprocess.run(["postfix", "-c", at / "etc", "reload"], check=True, stdout=log, stderr=log)

        def read(user):
            with imaplib.IMAP4("127.0.0.1", imap) as box:
                box.login(user, PASSWORD)
                box.select()
                _, [numbers] = box.search(None, "ALL")
                found = [box.fetch(number, "(RFC822)")[1][0][1] for number in numbers.split()]
            return [message_from_bytes(content, policy=default) for content in found]

        options = {
            "kind": "email", "host": "localhost", "port": smtp, "user": "mina@example.com", "password": PASSWORD,
            "ca_file": certificate.authority, "to": ["mina@example.com", "jin@example.com"],
        }  # fmt: skip
        yield SimpleNamespace(options=options, refuse=refuse, read=read)


def test_a_mail_goes_through_postfix_and_is_read_by_imap(post, crash):
    send, _ = sending(post.options)
    assert send(told(crash)).said == "accepted by localhost"
    for user in ("mina", "jin"):
        [mail] = until(lambda user=user: post.read(user), "the mail")
        assert mail["Subject"] == "💀 resnet50 <é> crashed on gpu01: killed by SIGKILL"
        assert mail.get_body(("plain",)).get_content().split() == crash.text.split()


def test_postfix_refuses_a_wrong_password_and_the_channel_is_parked(post, crash):
    send, _ = sending({**post.options, "password": "wrong"})
    with pytest.raises(ChannelError, match="535") as refused:
        send(told(crash))
    assert refused.value.refusal == "channel"


def test_one_of_two_is_greylisted_and_gets_it_later_and_the_other_once(post, crash):
    send, _ = sending({**post.options, "to": ["late@example.com", "mina@example.com"]})
    post.refuse("late@example.com 450 4.2.0 greylisted, come back later")
    with pytest.raises(ChannelError, match="greylisted") as refused:
        send(told(crash))
    assert (refused.value.refusal, refused.value.done) == ("later", ("mina@example.com",))
    post.refuse()

    def again():
        with contextlib.suppress(ChannelError):  # a busy postfix takes a moment to read its table anew
            return send(told(crash, done=refused.value.done)).said
        return None

    assert until(again, "a server that refuses nobody") == "accepted by localhost"
    assert len(until(lambda: post.read("late"), "the mail")) == len(post.read("mina")) == 1


def test_a_mailbox_that_is_not_there_is_refused_for_good(post, crash):
    send, _ = sending({**post.options, "to": "nobody-here@example.com"})
    with pytest.raises(ChannelError, match="550") as refused:
        send(told(crash))
    assert refused.value.refusal == "channel"


# Matrix, by Apprise

SYNAPSE = Path(__file__).parents[3] / ".venv/synapse/bin/python"
HOMESERVER = """
server_name: localhost
listeners: [{{port: {port}, bind_addresses: [127.0.0.1], type: http, tls: false, resources: [{{names: [client]}}]}}]
database: {{name: sqlite3, args: {{database: {at}/homeserver.db}}}}
media_store_path: {at}/media
signing_key_path: {at}/signing.key
log_config: {at}/log.yaml
pid_file: {at}/homeserver.pid
enable_registration: true
enable_registration_without_verification: true
report_stats: false
trusted_key_servers: []
"""


class Matrix:
    """A homeserver, with one user who has one room."""

    def __init__(self, port):
        self.port = port
        self.token = None
        about = {"username": "watchdog", "password": PASSWORD, "auth": {"type": "m.login.dummy"}}
        self.token = self.ask("POST", "register", about)["access_token"]
        self.room = self.ask("POST", "createRoom", {"preset": "private_chat", "room_version": "10"})["room_id"]

    def ask(self, method, path, told=None):
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        url = f"http://127.0.0.1:{self.port}/_matrix/client/v3/{path}"
        data = None if told is None else json.dumps(told).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=10.0) as answer:
            return json.load(answer)

    def said(self):
        """The texts of the room's messages, the latest first."""
        room = urllib.parse.quote(self.room)
        events = self.ask("GET", f"rooms/{room}/messages?dir=b&limit=20")["chunk"]
        return [event["content"]["body"] for event in events if event["type"] == "m.room.message"]


@pytest.fixture
def matrix(tmp_path):
    if not SYNAPSE.exists():
        pytest.skip("synapse is not installed: tests/system-packages.sh --servers installs it")
    port = free_port()
    (tmp_path / "homeserver.yaml").write_text(HOMESERVER.format(port=port, at=tmp_path))
    (tmp_path / "log.yaml").write_text("version: 1\n")
    line = [SYNAPSE, "-m", "synapse.app.homeserver", "--config-path", tmp_path / "homeserver.yaml"]
    subprocess.run([*line, "--generate-keys"], check=True, capture_output=True)
    with open(tmp_path / "log", "wb") as log, running(*line, stdout=log, stderr=log):
        until(lambda: answers(f"http://127.0.0.1:{port}/health"), "the homeserver")
        yield Matrix(port)


def test_a_matrix_room_gets_the_alert_by_apprise(matrix, crash):
    where = f"127.0.0.1:{matrix.port}/{urllib.parse.quote(matrix.room)}"
    send, _ = sending({"kind": "apprise", "url": f"matrix://watchdog:{PASSWORD}@{where}"})
    assert send(told(crash)).said == "taken by 1"
    [said] = matrix.said()
    assert "💀 resnet50 <é> crashed on gpu01" in said
    send, _ = sending({"kind": "apprise", "url": f"matrix://watchdog:wrong@{where}"})
    with pytest.raises(ChannelError, match="did not take it"):
        send(told(crash))


# The desktop


@pytest.fixture
def desktop(tmp_path, monkeypatch):
    """A screen, a session bus, and a notification daemon that shows what comes."""
    needs("Xvfb", "dunst", "notify-send", "dbus-daemon")
    bus = f"unix:path={tmp_path / 'bus'}"
    with contextlib.ExitStack() as stack, open(tmp_path / "log", "wb") as log:
        reads, writes = os.pipe()
        said = {"stdout": log, "stderr": log}
        stack.enter_context(
            running("Xvfb", "-displayfd", writes, "-nolisten", "tcp", pass_fds=[writes], **said),
        )
        os.close(writes)
        with os.fdopen(reads) as told_by:
            display = f":{told_by.readline().strip()}"
        stack.enter_context(running("dbus-daemon", "--session", "--nofork", f"--address={bus}", **said))
        until((tmp_path / "bus").exists, "the session bus")
        env = {**os.environ, "DISPLAY": display, "DBUS_SESSION_BUS_ADDRESS": bus, "HOME": str(tmp_path)}
        stack.enter_context(running("dunst", env=env, **said))

        def dunstctl(*words):
            return subprocess.run(["dunstctl", *words], env=env, capture_output=True, text=True, check=False).stdout

        until(lambda: dunstctl("count", "displayed").strip() == "0", "the notification daemon")
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", bus)
        yield dunstctl


def test_a_real_desktop_shows_the_alert(desktop, crash):
    send, _ = sending({"kind": "desktop"})
    assert send(told(replace(crash, text="💀 -x <b>resnet50</b>\n\n<i>rest</i> & 학습"))).said == "shown"
    assert desktop("count", "displayed").strip() == "1"
    desktop("close-all")
    [[shown]] = json.loads(desktop("history"))["data"]
    assert shown["summary"]["data"] == "💀 -x <b>resnet50</b>"
    assert "rest" in shown["body"]["data"]
    assert "<i>" not in shown["body"]["data"]
