"""What no page, log or terminal shows."""

import time

import pytest

from clicksmith.config import Config
from clicksmith.errors.redact import redact, redact_text, secrets_in

AZURE = "spark.hadoop.fs.azure.account.key.shop.dfs.core.windows.net"
PROVIDER = {"spark.hadoop.fs.s3a.aws.credentials.provider": "com.amazonaws.auth.Chain"}


def test_a_configuration_keeps_everything_but_its_secrets():
    extra = {AZURE: "a2V5LW9mLXRoZS1zaG9w", "spark.hadoop.fs.s3a.secret.key": "wJalrXUtnFEMI", **PROVIDER}
    values = Config.model_validate({"spark": {"extra": extra}}).model_dump(mode="json")
    shown = redact(values)
    assert shown["spark"]["extra"] == {AZURE: "***", "spark.hadoop.fs.s3a.secret.key": "***", **PROVIDER}
    assert {**shown, "spark": None} == {**values, "spark": None}  # no other setting looks like a secret
    assert secrets_in(values) == {"a2V5LW9mLXRoZS1zaG9w", "wJalrXUtnFEMI"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"--conf {AZURE}=a2V5LW9m== at x", f"--conf {AZURE}=*** at x"),
        ('{"fs.s3a.session.token": "FwoGZXIv", "b": 1}', '{"fs.s3a.session.token": "***", "b": 1}'),
        ("AccountName=shop;AccountKey=a2V5LW9m;x=1", "AccountName=shop;AccountKey=***;x=1"),
        ("https://shop.blob/x?sv=2024&sig=aB%2Fc&se=1", "https://shop.blob/x?sv=2024&sig=***&se=1"),
        ("cannot reach http://me:hunter22@proxy:3128", "cannot reach http://me:***@proxy:3128"),
        ("Authorization token: Bearer abc.def", "Authorization token: ***"),
        ("max_text_tokens: 64, file:/tmp/a:b@c", "max_text_tokens: 64, file:/tmp/a:b@c"),
        ("tokenizer: word, spark.driver.memory=2g", "tokenizer: word, spark.driver.memory=2g"),
    ],
)
def test_text(text: str, shown: str):
    assert redact_text(text) == shown


def test_a_long_word_takes_no_time_by_its_square():
    def seconds(length: int) -> float:
        began = time.process_time()
        assert redact_text("x" * length + " token=a2V5") == "x" * length + " token=***"
        return time.process_time() - began

    # By its square, 60 times as long; by its length, 8 times, and the machine's own moods.
    assert seconds(16_000) < 30 * max(min(seconds(2_000) for _ in range(3)), 0.01)


def test_values_that_are_known_are_hidden_wherever_they_stand(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI")
    monkeypatch.setenv("SHORT_TOKEN", "true")
    assert redact_text("refused wJalrXUtnFEMI, true, of abcdef12", frozenset({"abcdef12"})) == (
        "refused ***, true, of ***"
    )
