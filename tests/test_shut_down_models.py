"""Models that apps have built in, and that their provider has shut down."""

import datetime
from importlib import resources

import pytest
import yaml

from vast_intercept.config import built_in_providers
from vast_intercept.shut_down_models import known_model, shut_down, what_it_means

AUTUMN = datetime.date(2026, 11, 27)


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("gpt-4", "gpt-4"),
        ("text-davinci-003", "text-davinci-003"),
        ("ft:gpt-3.5-turbo-0125:my-org::8abc", "gpt-3.5-turbo-0125"),
        ("gpt-4o", None),
        ("gpt-4-", None),
        ("ft:", None),
        ("my-endpoint", None),
        ("", None),
        (None, None),
    ],
)
def test_a_model_is_known_by_its_name(model: str | None, known: str | None) -> None:
    assert known_model("openai", model) == known


def test_another_providers_model_of_that_name_is_its_own() -> None:
    assert known_model("azure", "gpt-4") is None
    assert known_model(None, "gpt-4") is None


def test_those_are_named_that_are_shut_down_by_now() -> None:
    asked = [("openai", name) for name in ("gpt-4", "gpt-5", "gpt-4.1-2025-04-14")]
    assert shut_down(asked, AUTUMN) == ["gpt-4 (openai, 2026-10-23)"]
    assert shut_down(asked, datetime.date(2026, 10, 22)) == []
    assert len(shut_down(asked, datetime.date(2027, 1, 14))) == 3


def test_it_is_said_what_that_means() -> None:
    assert "gpt-4 (openai, 2026-10-23)" in what_it_means(["gpt-4 (openai, 2026-10-23)"])
    assert what_it_means([]) == ""


def test_each_date_has_a_source_and_each_model_one_date() -> None:
    text = resources.files("vast_intercept").joinpath("shut_down_models.yaml").read_text("utf-8")
    for provider, entries in yaml.safe_load(text).items():
        assert provider in built_in_providers()
        models = [model for entry in entries for model in entry["models"]]
        assert len(models) == len(set(models))
        for entry in entries:
            assert isinstance(entry["date"], datetime.date)
            assert entry["source"].startswith("https://")
            assert entry["models"] == sorted(entry["models"])
