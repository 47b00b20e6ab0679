"""The headers of a request to Vast."""

from .. import __version__

USER_AGENT = f"vast-intercept/{__version__}"


def headers(
    key: str | None,
    *,
    body: bool = True,
    accept: str = "application/json",
    request_id: str | None = None,
) -> dict[str, str]:
    """Headers for a request with this key, if it needs one. `body` tells whether it has a body.

    `accept` is the type of the answer. `request_id` names a call, so that it is found in logs.
    """
    made = {
        "accept": accept,
        "authorization": key and f"Bearer {key}",
        "content-type": "application/json" if body else None,
        "user-agent": USER_AGENT,
        "x-request-id": request_id,
    }
    return {name: value for name, value in made.items() if value}
