"""The store that the configuration asks for, and what apps are told if it has not got something."""

from pathlib import Path

from ...bridges.bridge import Record
from ...config import Config, ResponseStoreKind
from ...openai_api.error_codes import ErrorCode
from ...openai_api.errors import ApiError, bad_request
from ...openai_api.limits import MAX_BRIDGED
from ..call import Call
from .bounds import BOUNDS, Bounds, LostTurnError, ResponseStore, StoreFailedError, TooLongError
from .memory import MemoryStore
from .sqlite import SqliteStore

_OFF = (
    " This interceptor keeps no responses: `responses: {store: off}` is in its configuration. Send"
    " the whole conversation as input."
)

# Characters of an id that an error repeats. Ours have fewer.
_SHOWN = 200


class StoredResponses:
    """What apps have stored. Each gets what is its own, and errors in OpenAI's words (ApiError).

    A call is served by the store of the configuration that it started with.
    """

    def __init__(self, bounds: Bounds = BOUNDS) -> None:
        self._bounds = bounds
        self._stores: dict[ResponseStoreKind | Path, ResponseStore] = {}

    async def history(self, call: Call, previous: str) -> list[bytes]:
        """The conversation that a call continues, as JSON arrays of items.

        Of each turn, the first array is the input, and the second one the output.
        """
        store = await self._store_for(call.config)
        param, shown = "previous_response_id", _shown(previous)
        try:
            turns = await store.history(call.owner, previous) if store else []
        except StoreFailedError as error:
            raise _failed(error, param) from None
        except LostTurnError as error:
            raise bad_request(
                f"The conversation of the previous response {shown} has lost its beginning:"
                f" the response {error.id!r} was deleted, or is not kept any more. Send the whole"
                " conversation as input.",
                ErrorCode.PREVIOUS_RESPONSE_INCOMPLETE,
                param,
            ) from None
        except TooLongError:
            what = f"The conversation of the previous response {shown} is"
            raise _too_long(what, param) from None
        if not turns:
            raise bad_request(  # OpenAI's words (FACTS R15)
                f"Previous response with id {shown} not found.{'' if store else _OFF}",
                ErrorCode.PREVIOUS_RESPONSE_NOT_FOUND,
                param,
            )
        return turns

    async def items(self, call: Call, ids: tuple[str, ...]) -> dict[str, bytes]:
        """Those of the items that the app may refer to, as JSON by id."""
        store = await self._store_for(call.config) if ids else None
        try:
            return await store.items(call.owner, ids) if store else {}
        except StoreFailedError as error:
            raise _failed(error, "input") from None
        except TooLongError:
            raise _too_long("The items that the input refers to are", "input") from None

    async def get(self, call: Call, id_: str) -> Record:
        """A stored response."""
        store = await self._store_for(call.config)
        try:
            record = await store.get(call.owner, id_) if store else None
        except StoreFailedError as error:
            raise _failed(error) from None
        if record is None:
            raise _not_found(id_, store)
        return record

    async def delete(self, call: Call, id_: str) -> None:
        """Deletes a stored response."""
        store = await self._store_for(call.config)
        try:
            deleted = await store.delete(call.owner, id_) if store else False
        except StoreFailedError as error:
            raise _failed(error) from None
        if not deleted:
            raise _not_found(id_, store)

    async def check(self, call: Call) -> None:
        """Raises ApiError if the answer to the call could not be kept."""
        if store := await self._store_for(call.config):
            try:
                await store.check()
            except StoreFailedError as error:
                raise _failed(error, "store") from None

    async def keep(self, call: Call, record: Record) -> None:
        """Keeps a response, if responses are kept."""
        if store := await self._store_for(call.config):
            try:
                await store.put(call.owner, record)
            except StoreFailedError as error:
                raise _failed(error, "store") from None

    async def close(self) -> None:
        """Closes all stores. What is in memory is forgotten."""
        for store in self._stores.values():
            await store.close()

    async def _store_for(self, config: Config) -> ResponseStore | None:
        place = config.responses.store
        if place is ResponseStoreKind.OFF:
            if memory := self._stores.pop(ResponseStoreKind.MEMORY, None):
                await memory.close()
            return None
        if place not in self._stores:
            self._stores[place] = (
                SqliteStore(place, self._bounds)
                if isinstance(place, Path)
                else MemoryStore(self._bounds)
            )
        return self._stores[place]


def _shown(id_: str) -> str:
    return repr(id_[:_SHOWN])


def _not_found(id_: str, store: ResponseStore | None) -> ApiError:
    return bad_request(  # OpenAI's words
        f"Response with id {_shown(id_)} not found.{'' if store else _OFF}",
        ErrorCode.RESPONSE_NOT_FOUND,
        status=404,
    )


def _too_long(what: str, param: str) -> ApiError:
    return bad_request(
        f"{what} too long: more than {MAX_BRIDGED:,} bytes or too many items. Begin a new"
        " conversation.",
        ErrorCode.REQUEST_TOO_LARGE,
        param,
        status=413,
    )


def _failed(error: StoreFailedError, param: str | None = None) -> ApiError:
    return ApiError(
        503 if error.passing else 500,
        "The interceptor's store of responses cannot be used. Its log says why. Calls with `store:"
        " false`, and without `previous_response_id`, do not need it.",
        "server_error",
        ErrorCode.RESPONSE_STORE_FAILED,
        param,
        retry=None if error.passing else False,
    )
