"""`GET /v1/models` and `GET /v1/models/{id}` in Anthropic's shape.

https://docs.anthropic.com/en/api/models-list
"""

from collections.abc import Iterable

import msgspec

# "May be set to an epoch value if the release date is unknown."
_CREATED = "1970-01-01T00:00:00Z"


def model_info(model: str) -> dict[str, object]:
    """One model, as the list and a look-up by its name return it."""
    return {
        "type": "model",
        "id": model,
        "display_name": model,
        "created_at": _CREATED,
        "lifecycle": "active",
    }


def model_infos(models: Iterable[str]) -> bytes:
    """The JSON body of the list, which is one page."""
    data = [model_info(model) for model in models]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    page = {"data": data, "has_more": False, "first_id": None, "last_id": None, **ends}
    return msgspec.json.encode(page)
