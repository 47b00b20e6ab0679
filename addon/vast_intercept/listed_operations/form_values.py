"""The values of a form's fields, which are texts, and may come more than once."""

from collections.abc import Collection, Mapping

from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import bad_request
from ..openai_api.reading import shown

type Fields = Mapping[str, list[str]]

_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0", ""})


def last(fields: Fields, name: str) -> str:
    """The value of a field, the last one if it comes more than once; empty if there is none."""
    return fields[name][-1] if name in fields else ""


def flag(fields: Fields, name: str) -> bool:
    """Whether a field says "true". Raises ApiError (400) if it says something else than "false"."""
    value = last(fields, name).lower()
    if value not in _TRUE | _FALSE:
        raise bad_request(
            f"Invalid value for {name!r}: {shown(value)!r}. It must be 'true' or 'false'.",
            ErrorCode.INVALID_VALUE,
            name,
        )
    return value in _TRUE


def without(
    fields: Fields, reserved: Collection[str], *others: str
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """The fields but the `reserved` ones and `others`, and which reserved ones there were."""
    kept = {
        name: values
        for name, values in fields.items()
        if name not in reserved and name not in others
    }
    return kept, tuple(name for name in fields if name in reserved)


def json_values(fields: Fields) -> dict[str, object]:
    """The fields as members of a JSON object: a list for what comes twice, and for `name[]`."""
    return {
        name: values[0] if len(values) == 1 and not name.endswith("[]") else values
        for name, values in fields.items()
    }
