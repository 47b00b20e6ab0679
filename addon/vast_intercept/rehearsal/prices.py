"""What providers charge: a dated table of the project's own, and one of the user's before it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yarl import URL

from ..config.file import nearest
from ..config.providers import built_in_providers, find_provider

#: No price is higher: dollars for a million tokens.
HIGHEST = 10_000.0
_LARGEST_FILE = 1024 * 1024
_LONGEST_PROMPT = 10**9
_ANY = "any"
_TOP = ("date", "source", "prices")
_FIELDS = ("input", "cached_input", "cache_write", "output", "longest_prompt")
# As OpenAI and Anthropic name snapshots: gpt-4o-2024-08-06, claude-opus-4-20250514.
_DATED = re.compile(r"-(?:20\d\d-\d\d-\d\d|20\d{6}|latest)$", re.ASCII)
_A_PRICE = "US dollars for a million tokens, a number from 0 to 10,000 such as 0.15"


class PriceError(Exception):
    """A table of prices that cannot be used. The message names file, line, key and remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a model costs, in US dollars for a million tokens. What is not known is None."""

    input: float
    cached_input: float | None = None
    cache_write: float | None = None
    output: float | None = None
    #: The price does not hold for prompts of more tokens.
    longest_prompt: int | None = None
    #: The table that it is from, for a person, such as `the table of 2026-08-21`.
    table: str = ""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by provider and model."""

    #: For a person: which table it is, and where its prices are from.
    name: str
    source: str
    prices: Mapping[tuple[str, str], Price]


@dataclass(frozen=True, slots=True)
class Prices:
    """Tables in the order in which they are asked."""

    tables: tuple[PriceTable, ...]

    def find(self, provider: str, model: str) -> Price | None:
        """The price of a model at a provider (see `provider_of`), or None if no table has it."""
        for table in self.tables:
            for name in _names(model):
                for at in (provider, _ANY):
                    if price := table.prices.get((at, name)):
                        return price
        return None


def provider_of(url: str) -> str:
    """The provider that a URL belongs to: its name in the built-in table, else its host.

    >>> provider_of("https://api.openai.com/v1/chat/completions"), provider_of("http://gpu:8000/v1")
    ('openai', 'gpu')
    """
    try:
        parsed = URL(url)
        host, port = parsed.host or "", parsed.port or 0
    except ValueError:
        return ""
    provider = find_provider(built_in_providers().values(), host, port)
    return provider.name if provider else host


def read_prices(path: Path | None = None) -> Prices:
    """The built-in table, after that of the file at `path` if there is one. Raises PriceError."""
    if path is None:
        return Prices((_built_in(),))
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise PriceError(f"{path}: cannot be read: {error.strerror}.") from None
    if len(content) > _LARGEST_FILE:
        raise PriceError(f"{path}: has more than {_LARGEST_FILE:,} bytes: is it a table of prices?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PriceError(f"{path}: is not valid UTF-8 (at byte {error.start}).") from None
    return Prices((read_table(text, str(path)), _built_in()))


@cache
def _built_in() -> PriceTable:
    return read_table((files(__package__) / "prices.yaml").read_text("utf-8"), "")


def read_table(text: str, path: str) -> PriceTable:
    """Reads a table. Raises PriceError, which names `path`; it is empty for the built-in one."""
    try:
        # Nodes know their line, which values do not.
        root = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}" if mark else ""
        raise PriceError(f"{path}{where}: is not valid YAML: {error.problem}.") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise PriceError(f"{path}: is not valid YAML: {said}.") from None
    reader = _Reader(path)
    if root is None:
        raise PriceError(f"{path}: is empty: a mapping with the key prices is expected.")
    top = dict(reader.items(root, "", _TOP))
    made = reader.date(top["date"]) if "date" in top else ""
    name = f"the table of {made}" if not path else path + (f" of {made}" if made else "")
    source = reader.text(top["source"], "source") if "source" in top else ""
    if "prices" not in top:
        reader.fail(root, "", "has no key prices: a mapping of providers is expected under it")
    prices = {}
    for provider, models in reader.items(top["prices"], "prices"):
        reader.check_provider(provider, models)
        for model, fields in reader.items(models, f"prices.{provider}"):
            place = f"prices.{provider}.{model}"
            prices[provider, model.lower()] = reader.price(fields, place, name)
    return PriceTable(name, source, prices)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads nodes of YAML, with errors that name file, line and key."""

    path: str

    def fail(self, node: yaml.Node, place: str, what: str) -> NoReturn:
        """Raises PriceError."""
        at = f"{place}: " if place else ""
        end = "" if what.endswith((".", "?")) else "."
        raise PriceError(f"{self.path}, line {node.start_mark.line + 1}: {at}{what}{end}")

    def items(
        self, node: yaml.Node, place: str, known: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, yaml.Node]]:
        """Keys and values of a mapping. Only `known` keys are allowed, if some are given."""
        if not isinstance(node, yaml.MappingNode):
            self.fail(
                node, place, "a mapping is expected, such as gpt-4o: {input: 2.5, output: 10}"
            )
        seen = set()
        for key_node, value in node.value:
            if not isinstance(key_node, yaml.ScalarNode) or not key_node.value:
                self.fail(key_node, place, "has a key that is not a name")
            key = key_node.value
            full = f"{place}.{key}" if place else key
            if key in seen:
                self.fail(key_node, full, "the key comes twice; once is expected")
            if known and key not in known:
                self.fail(key_node, full, f"unknown key.{nearest(key, known)}")
            seen.add(key)
            yield key, value

    def check_provider(self, name: str, node: yaml.Node) -> None:
        """Refuses what looks like a misspelt provider: its prices would silently not be found."""
        known = (*built_in_providers(), _ANY)
        if name in known or "." in name:  # a host
            return
        if close := get_close_matches(name.lower(), known, 1, 0.7):
            said = f"unknown provider. Did you mean {close[0]!r}? A host's name is possible, too"
            self.fail(node, f"prices.{name}", said)

    def price(self, node: yaml.Node, place: str, table: str) -> Price:
        """The prices of one model."""
        read: dict[str, Any] = {}
        for key, value in self.items(node, place, _FIELDS):
            at = f"{place}.{key}"
            read[key] = (
                self.tokens(value, at) if key == "longest_prompt" else self.dollars(value, at)
            )
        if "input" not in read:
            self.fail(node, place, f"has no key input: {_A_PRICE} is expected")
        return Price(**read, table=table)

    def dollars(self, node: yaml.Node, place: str) -> float:
        """A price."""
        value = _scalar(node)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.fail(node, place, f"{_shown(node)} is not a number; expected: {_A_PRICE}")
        if not 0 <= value <= HIGHEST:  # which NaN is not either
            self.fail(node, place, f"{_shown(node)} is out of range; expected: {_A_PRICE}")
        return float(value)

    def tokens(self, node: yaml.Node, place: str) -> int:
        """A number of tokens."""
        value = _scalar(node)
        if (
            isinstance(value, bool)
            or not isinstance(value, int)
            or not 0 < value <= _LONGEST_PROMPT
        ):
            self.fail(
                node, place, f"{_shown(node)}: a whole number of tokens from 1 on is expected"
            )
        return value

    def text(self, node: yaml.Node, place: str) -> str:
        """A text of one line."""
        value = _scalar(node)
        if not isinstance(value, str) or not value:
            self.fail(node, place, f"{_shown(node)}: a text is expected")
        return " ".join(value.split())

    def date(self, node: yaml.Node) -> str:
        """A day, as 2026-08-21."""
        value = _scalar(node)
        if type(value) is not date:
            self.fail(node, "date", f"{_shown(node)}: a day such as 2026-08-21 is expected")
        return value.isoformat()


def _names(model: str) -> tuple[str, ...]:
    """The names that a model's price may stand under, the most exact first."""
    name = model.lower()
    undated = _DATED.sub("", name)
    return (name,) if undated == name else (name, undated)


def _scalar(node: yaml.Node) -> object:
    try:
        constructor = yaml.constructor.SafeConstructor()
        return constructor.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return None


def _shown(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    return repr(node.value if len(node.value) <= 40 else node.value[:40] + "...")
