"""What of a command line is told, and what is hidden."""

from __future__ import annotations

import pytest

from epochwatch.masking import masked

pytest.importorskip("hypothesis")
from hypothesis import given, settings
from hypothesis import strategies as st

HF, SK, GH = "hf_" + "Ab3" * 11, "sk-proj-" + "Zx9" * 12, "ghp_" + "q1W" * 12
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP"
SLACK = "https://hooks.slack.com/services/"

HIDDEN = [
    (["--api-key", "s3cret"], ["--api-key", "…"]),
    (["--api_key", "VALUE"], ["--api_key", "…"]),
    (["--api-key=s3cret"], ["--api-key=…"]),
    (["--apiKey", "s3cret"], ["--apiKey", "…"]),
    (["--key", "s3cret"], ["--key", "…"]),
    (["--token", "s3cret", "--lr", "0.1"], ["--token", "…", "--lr", "0.1"]),
    (["--hub_token=s3cret"], ["--hub_token=…"]),
    (["--HFToken", "s3cret"], ["--HFToken", "…"]),
    (["-token", "s3cret"], ["-token", "…"]),
    (["--password", "two words, and more"], ["--password", "…"]),
    (["--password=two words, and more"], ["--password=…"]),
    (["--db-passwd=s3cret"], ["--db-passwd=…"]),
    (["--mysql_pwd", "s3cret"], ["--mysql_pwd", "…"]),
    (["--client-secret", "s3cret"], ["--client-secret", "…"]),
    (["--aws-secret-access-key", "s3cret"], ["--aws-secret-access-key", "…"]),
    (["--credential", "s3cret"], ["--credential", "…"]),
    (["--credentials=s3cret"], ["--credentials=…"]),
    (["env", "WANDB_API_KEY=s3cret", "python"], ["env", "WANDB_API_KEY=…", "python"]),
    (["PGPASSWORD=s3cret"], ["PGPASSWORD=…"]),
    (["AWS_SESSION_TOKEN=s3cret=="], ["AWS_SESSION_TOKEN=…"]),
    (["logger.api_key=s3cret"], ["logger.api_key=…"]),
    (["++logger.wandb.key=s3cret"], ["++logger.wandb.key=…"]),
    (["logger={api_key:s3cret,project:mnist}"], ["logger={api_key:…,project:mnist}"]),
    (['{"lr": 0.1, "api_key": "s3cret", "seed": 3}'], ['{"lr": 0.1, "api_key": …, "seed": 3}']),
    (['{\\"apiKey\\": \\"s3cret\\"}'], ['{\\"apiKey\\": …}']),
    (["lr=0.1,token=s3cret,seed=3"], ["lr=0.1,token=…,seed=3"]),
    (["a=b=token=s3cret"], ["a=b=token=…"]),
    (["https://mina:s3cret@host/x"], ["https://…@host/x"]),
    (["--repo=https://s3cret@host:8080/x.git"], ["--repo=https://…@host:8080/x.git"]),
    (["postgresql://mina:p@s3cret@db/runs"], ["postgresql://…@db/runs"]),
    (["https://host/x?token=s3cret&run=3"], ["https://host/x?token=…&run=3"]),
    (["--metadata-uri", "https://host/x?a=1&api_key=s3cret"], ["--metadata-uri", "https://host/x?a=1&api_key=…"]),
    ([HF], ["…"]),
    (["--hub", HF], ["--hub", "…"]),
    ([f"--hub={HF}"], ["--hub=…"]),
    ([f"x:{SK},y"], ["x:…,y"]),
    ([GH, "github_pat_11ABC_defg", "glpat-abcDEF123"], ["…", "…", "…"]),
    (["xoxb-123-abc", "xoxp-123-abc"], ["…", "…"]),
    (["AKIAIOSFODNN7EXAMPLE"], ["…"]),
    ([JWT], ["…"]),
    (["--hook", f"{SLACK}T00/B00/s3cret"], ["--hook", f"{SLACK}…"]),
    (["-H", "Authorization: Bearer s3cret"], ["-H", "Authorization: Bearer …"]),
    (["-H", "X-Api-Key: s3cret"], ["-H", "X-Api-Key: …"]),
    (["sh", "-c", "cd x && HF_TOKEN=s3cret python t.py --lr 1"], ["sh", "-c", "cd x && HF_TOKEN=… python t.py --lr 1"]),
    (["sh", "-c", "python t.py --api-key s3cret --lr 1"], ["sh", "-c", "python t.py --api-key … --lr 1"]),
    (["sh", "-c", "t --verbose --password 'two words' --lr 1"], ["sh", "-c", "t --verbose --password … --lr 1"]),
    (["-c", "wandb.login(key='s3cret')"], ["-c", "wandb.login(key=…)"]),
    (["-c", 'os.environ["HF_TOKEN"] = "s3cret"'], ["-c", 'os.environ["HF_TOKEN"] = …']),
]

TOLD = [
    ["train.py"],
    ["train.py", "--lr", "0.1", "--epochs=90", "model.depth=12"],
    ["--max-tokens", "512"],
    ["--max_new_tokens=512"],
    ["--num_tokens=3"],
    ["--tokens", "train.bin"],
    ["--tokenizer", "bert-base-uncased"],
    ["--tokenizer=bert"],
    ["model.tokenizer.name=gpt2"],
    ["--key-frames", "8"],
    ["--keypoints", "coco"],
    ["--keys", "a,b"],
    ["--keyboard=us"],
    ["--monkey", "george"],
    ["--secret-sauce", "ketchup"],
    ["--token-dropout", "0.1"],
    ["--token-file", "/home/mina/token.txt"],
    ["--password-file=/run/secrets/db"],
    ["--ssh-key-path", "~/.ssh/id"],
    ["--eos-token", "</s>"],
    ["--pad_token=<pad>"],
    ["--image_token", "<image>"],
    ["data.text_key=content"],
    ["--input-key", "prompt"],
    ["--key", "8"],
    ["--token", "-1"],
    ["--token", "1e-4"],
    ["--use-auth-token", "true"],
    ["--use_auth_token=False"],
    ["--token", "None"],
    ["--token", "--lr", "0.1"],
    ["--token"],
    ["--token="],
    ["--password", ""],
    ["-p", "8080"],
    ["-k", "fold"],
    ["https://host:8080/path@v2?x=1"],
    ["git@github.com:mina/exp.git"],
    ["hf_transformers", "hf_llama2_7b"],
    ["sk-learn-random-forest", "task-0123456789abcdef0123"],
    ["key", "value"],
    ["--compare", "key/token", "secret"],
    ["ghost", "ghcr.io/mina/exp:latest"],
    ["실험", "--이름=토큰"],
    ["C:\\data\\key", "d41d8cd98f00b204e9800998ecf8427e"],
]


@pytest.mark.parametrize(("words", "shown"), HIDDEN, ids=[words[-1] for words, _ in HIDDEN])
def test_a_secret_is_hidden(words, shown):
    assert list(masked(words)) == shown
    assert "s3cret" not in " ".join(shown)


@pytest.mark.parametrize("words", TOLD, ids=[" ".join(words) for words in TOLD])
def test_what_tells_runs_apart_is_told(words):
    assert list(masked(words)) == words


@pytest.mark.parametrize("word", [words[-1] for words, _ in HIDDEN])
def test_what_is_hidden_stays_so(word):
    once = masked(["--x", word])
    assert masked(once) == once


def test_of_a_long_line_only_what_a_heartbeat_has_room_for_is_looked_at():
    files = [f"shard-{number:06}.tar" for number in range(100_000)]
    shown = masked(files)
    assert list(shown) == files[: len(shown)]
    assert 1000 < len(shown) < 3000


@pytest.mark.parametrize(
    "word", ["a" * 16_000, "key=" * 4_000, "a=" * 8_000, "sk-" * 5_000, "token " * 2_500, "--token " * 2_000,
             "://" * 5_000, "key" + " " * 16_000, "key" + "\\" * 16_000, "eyJ" * 5_000, "'\"" * 8_000, "key:'" * 3_000],
    ids=lambda word: repr(word[:8]),
)  # fmt: skip
def test_a_word_that_a_pattern_could_be_lost_in_is_read(word):
    assert len(masked(["--key", "x", word])) == 3


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("-=: \"'{}\\/@.,keytokn_\n1é\ud800"), max_size=30), max_size=4))
def test_any_words_are_as_many_words_afterwards(words):
    assert len(masked(words)) == len(words)
