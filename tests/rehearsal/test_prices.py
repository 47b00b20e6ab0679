"""The table of prices, and one of the user's own."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.config.providers import built_in_providers
from vast_intercept.rehearsal.prices import (
    HIGHEST,
    PriceError,
    provider_of,
    read_prices,
    read_table,
)


def test_the_built_in_table_names_its_date_its_source_and_known_providers():
    (table,) = read_prices().tables
    assert table.name == "the table of 2026-08-21"
    assert "https://developers.openai.com/api/docs/pricing" in table.source
    assert {provider for provider, _ in table.prices} <= set(built_in_providers())
    for price in table.prices.values():
        assert 0 < price.input <= HIGHEST
        assert price.cached_input is None or price.cached_input < price.input
        assert price.cache_write is None or price.cache_write > price.input


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("gpt-4o", 2.5),
        ("gpt-4o-2024-08-06", 2.5),
        ("gpt-4o-2024-05-13", 5),  # a snapshot with a price of its own
        ("GPT-4o-mini-2024-07-18", 0.15),
        ("gpt-4o-mini-audio-preview", None),
        ("ft:gpt-4o-mini-2024-07-18:me::abc", None),
        ("gpt-4o-2024-08-06x", None),
        ("", None),
    ],
)
def test_a_model_and_its_dated_snapshots_have_a_price(model, dollars):
    price = read_prices().find("openai", model)
    assert (price and price.input) == dollars


def test_anthropics_snapshots_have_one_too_and_no_other_provider_has_openais():
    prices = read_prices()
    assert prices.find("anthropic", "claude-opus-4-5-20251101").input == 5
    assert prices.find("anthropic", "claude-3-5-haiku-latest").cached_input == 0.08
    assert prices.find("openrouter", "gpt-4o") is None


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1/chat/completions", "openai"),
        ("https://eu.api.openai.com/v1/responses", "openai"),
        ("https://api.anthropic.com/v1/messages", "anthropic"),
        ("http://gpu.example:8000/v1/chat/completions", "gpu.example"),
        ("https://api.openai.com:444/v1", "api.openai.com"),
        ("/v1/chat/completions", ""),
        ("https://[", ""),
    ],
)
def test_the_provider_is_found_by_the_host(url, provider):
    assert provider_of(url) == provider


def test_a_table_of_the_users_own_comes_first_and_adds(tmp_path):
    path = tmp_path / "ours.yaml"
    path.write_text(
        "date: 2026-11-01\nsource: our contract\nprices:\n"
        "  openai:\n    gpt-4o: {input: 1, output: 4}\n"
        "  any:\n    my-model: {input: 0}\n  gpu.example:\n    my-model: {input: 0.5}\n"
    )
    prices = read_prices(path)
    assert prices.find("openai", "gpt-4o").input == 1
    # A line for the model in one's own table holds for its snapshots, too.
    assert prices.find("openai", "gpt-4o-2024-05-13").input == 1
    assert prices.find("openai", "gpt-4o-mini").input == 0.15
    assert prices.find("groq", "my-model").input == 0
    assert prices.find("gpu.example", "my-model").input == 0.5
    assert prices.tables[0].name == f"{path} of 2026-11-01"
    hosts = read_table("prices: {mistral.ai: {m: {input: 1}}, gpu: {m: {input: 2}}}", "hosts")
    assert [price.input for price in hosts.prices.values()] == [1, 2]


# Where each mistake is, and a piece of what is said of it.
MISTAKES = {
    "": ("", "is empty"),
    "# nothing": ("", "is empty"),
    "- 1": (", line 1", "a mapping is expected"),
    "prices: 5": (", line 1: prices", "a mapping is expected"),
    "price: {}": (", line 1: price", "unknown key. Did you mean 'prices'?"),
    "date: 2026-01-01": (", line 1", "has no key prices"),
    "date: soon\nprices: {}": (", line 1: date", "2026-08-21"),
    "date: 2026-02-31\nprices: {}": (", line 1: date", "2026-08-21"),
    "source: [a]\nprices: {}": (", line 1: source", "a text is expected"),
    "prices:\n  opnai: {}": (", line 2: prices.opnai", "Did you mean 'openai'?"),
    "prices:\n  openai:\n    gpt: 5": (", line 3: prices.openai.gpt", "a mapping is expected"),
    "prices:\n  any:\n    m: {inptu: 1}": (", line 3: prices.any.m.inptu", "'input'?"),
    "prices:\n  any:\n    m: {output: 1}": (", line 3: prices.any.m", "has no key input"),
    "prices:\n  any:\n    m: {input: -1}": (", line 3: prices.any.m.input", "0 to 10,000"),
    "prices:\n  any:\n    m: {input: .nan}": (", line 3: prices.any.m.input", "0 to 10,000"),
    "prices:\n  any:\n    m: {input: .inf}": (", line 3: prices.any.m.input", "0 to 10,000"),
    "prices:\n  any:\n    m: {input: 10001}": (", line 3: prices.any.m.input", "0 to 10,000"),
    "prices:\n  any:\n    m: {input: two}": (", line 3: prices.any.m.input", "not a number"),
    "prices:\n  any:\n    m: {input: '2'}": (", line 3: prices.any.m.input", "not a number"),
    "prices:\n  any:\n    m: {input: yes}": (", line 3: prices.any.m.input", "not a number"),
    "prices:\n  any:\n    m: {input: }": (", line 3: prices.any.m.input", "not a number"),
    "prices:\n  any:\n    m: {input: [1]}": (", line 3: prices.any.m.input", "a list"),
    "prices:\n  any:\n    m: {input: 1, longest_prompt: 0}": (
        ", line 3: prices.any.m.longest_prompt", "a whole number"),
    "prices:\n  any:\n    m: {input: 1, input: 2}": (", line 3: prices.any.m.input", "twice"),
    "prices:\n  any:\n    m: {input: 1}\n    m: {input: 2}": (", line 4: prices.any.m", "twice"),
    "prices:\n  any: {}\n  any: {}": (", line 3: prices.any", "twice"),
    "prices:\n  any:\n    ? [a]\n    : 1": (", line 3: prices.any", "not a name"),
    "prices: {": (", line 1", "is not valid YAML"),
    "prices: \x01": ("", "is not valid YAML"),
    "[" * 1_000: ("", "is not valid YAML"),
    "prices: {}\n---\nprices: {}": (", line 2", "is not valid YAML"),
}  # fmt: skip


@pytest.mark.parametrize("text", MISTAKES, ids=lambda text: repr(text[:40]))
def test_a_mistake_is_told_with_file_line_key_and_what_is_expected(text, tmp_path):
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(PriceError) as raised:
        read_prices(path)
    where, said = MISTAKES[text]
    assert str(raised.value).startswith(f"{path}{where}: ")
    assert said in str(raised.value)
    assert str(raised.value).endswith((".", "?"))


def test_a_file_that_is_none_is_told(tmp_path):
    with pytest.raises(PriceError, match="cannot be read"):
        read_prices(tmp_path / "none.yaml")
    with pytest.raises(PriceError, match="cannot be read"):
        read_prices(tmp_path)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(PriceError, match="UTF-8"):
        read_prices(tmp_path / "bytes")
    (tmp_path / "large").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(PriceError, match="more than 1,048,576 bytes"):
        read_prices(tmp_path / "large")


@given(st.text(st.sampled_from("{}[]:,.-&*!#|'\" \nab12prices"), max_size=80))
def test_any_text_is_a_table_or_a_mistake(text):
    with suppress(PriceError):
        assert read_table(text, "x").name == "x"
