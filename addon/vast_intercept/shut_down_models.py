"""Models that apps still ask for, and that their provider has shut down (FACTS R5)."""

import datetime
from collections.abc import Iterable
from functools import cache
from importlib import resources

import yaml

_DATA = "shut_down_models.yaml"


def known_model(provider: str | None, model: str | None) -> str | None:
    """The model's name in the table, or None. A fine-tuned model counts as its base model."""
    if model is None:
        return None
    kind, _, rest = model.partition(":")
    name = rest.partition(":")[0] if kind == "ft" else model
    return name if (provider, name) in _table() else None


def shut_down(asked: Iterable[tuple[str, str]], today: datetime.date | None = None) -> list[str]:
    """The models that are shut down by today, as `MODEL (PROVIDER, DATE)`.

    `asked` has pairs of provider and model, both as the table spells them.
    """
    day = today or datetime.datetime.now(datetime.UTC).date()
    return [
        f"{model} ({provider}, {date})"
        for provider, model in asked
        if (date := _table()[provider, model]) <= day
    ]


def what_it_means(models: Iterable[str]) -> str:
    """A sentence that tells the user of models that are shut down; empty if there are none."""
    listed = ", ".join(models)
    if not listed:
        return ""
    return (
        f"Apps ask for models that their provider has shut down: {listed}. Where Vast cannot answer"
        " their calls, no fallback to the provider can."
    )


@cache
def _table() -> dict[tuple[str | None, str], datetime.date]:
    text = resources.files(__package__).joinpath(_DATA).read_text("utf-8")
    return {
        (provider, model): entry["date"]
        for provider, entries in yaml.safe_load(text).items()
        for entry in entries
        for model in entry["models"]
    }
