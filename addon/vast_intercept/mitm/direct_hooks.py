"""What each call takes time for in mitmproxy, made faster: calling hooks, and checking types."""

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from mitmproxy import addonmanager, exceptions, hooks, http

#: An addon and its function for a hook; None if the addon is asked each time.
type Step = tuple[Any, Callable[..., Any] | None]

_OURS = f"{__package__.partition('.')[0]}."
# Classes whose instances get no hooks later: mitmproxy's own, and those of this package.
_SETTLED = ("mitmproxy.", _OURS)


class DirectAddonManager(addonmanager.AddonManager):
    """Calls a hook's functions one after the other, without a walk through all addons.

    mitmproxy's own manager walks through its 36 addons and ours eight times for each call, which
    is a good part of mitmdump's time (FACTS M12). Here the functions of mitmproxy's addons and of
    ours are looked up once. Every other addon is asked at each event, since a script may give it a
    function at any time. Addons that come and go are noticed, whether through `register` and
    `remove`, in the `addons` of another addon, or by the option `scripts`, which has an order.
    """

    #: By hook: for each addon in the chain, what to call of it and of the addons below it.
    found: dict[str, list[list[Step]]]
    #: The addons that may get others below them at any time, with those that they had.
    parents: list[tuple[Any, list[Any]]]

    @classmethod
    def take_over(cls, manager: addonmanager.AddonManager) -> None:
        """Turns mitmproxy's own manager into one of these, for good (FACTS M55).

        A manager of any other class is left as it is.
        """
        if type(manager) is addonmanager.AddonManager:
            manager.__class__ = cls
            assert isinstance(manager, cls)
            manager.found, manager.parents = {}, []

    def _forget(self) -> None:
        self.found.clear()
        self.parents.clear()  # which hold addons that may be gone

    def register(self, addon: Any) -> Any:
        self._forget()
        return super().register(addon)

    def add(self, *addons: Any) -> None:
        super().add(*addons)
        self._forget()  # an addon is in the chain only after it was registered

    def remove(self, addon: Any) -> None:
        super().remove(addon)
        self._forget()

    def clear(self) -> None:
        super().clear()
        self._forget()

    def trigger(self, event: hooks.Hook) -> None:
        try:
            super().trigger(event)
        finally:
            if isinstance(event, hooks.ConfigureHook):
                self._forget()  # the scripts may have another order

    async def trigger_event(self, event: hooks.Hook) -> None:
        for parent, addons in self.parents:
            if [*getattr(parent, "addons", ())] != addons:
                self._forget()
                break
        found = self.found.get(event.name)
        if found is None:
            found = self._find(event.name)
        if not found:
            return
        arguments = event.args()
        for steps in found:
            try:
                for addon, known in steps:
                    function = known or _function_of(addon, event.name)
                    result = function(*arguments) if function else None
                    if result is not None and inspect.isawaitable(result):
                        await result
            except exceptions.AddonHalt:
                return
            except Exception:  # logged as mitmproxy logs it
                with addonmanager.safecall():
                    raise

    def _find(self, name: str) -> list[list[Step]]:
        self.parents = [
            (addon, [*getattr(addon, "addons", ())])
            for addon in addonmanager.traverse(self.chain)
            if not _is_settled(addon)
        ]
        steps = [list(_steps(addon, name)) for addon in self.chain]
        found = self.found[name] = [each for each in steps if each]
        return found


def _steps(addon: Any, name: str) -> Iterator[Step]:
    for each in addonmanager.traverse([addon]):
        if not _is_settled(each):
            yield each, None
        elif function := _function_of(each, name):
            yield each, function


def is_ours(addon: object) -> bool:
    """Whether an addon is one of this package."""
    return type(addon).__module__.startswith(_OURS)


def _is_settled(addon: object) -> bool:
    return type(addon).__module__.startswith(_SETTLED)


def _function_of(addon: Any, name: str) -> Callable[..., Any] | None:
    """The addon's function for a hook, if any. Raises as mitmproxy does for another value."""
    function: Any = getattr(addon, name, None)
    if not function or isinstance(function, ModuleType):
        return None
    if not callable(function):
        raise exceptions.AddonManagerError(f"Addon handler {name} ({addon}) not callable")
    return function  # type: ignore[no-any-return]


# --- types (FACTS M62) ----------------------------------------------------------------------------

_checked: set[tuple[type, ...]] = set()

# Python leaves mitmproxy's check out with -O.
_check: Callable[[http.MessageData], None] | None = getattr(http.MessageData, "__post_init__", None)


def check_types_once() -> None:
    """Has mitmproxy check each combination of a message's types once. May be called again."""
    if _check:
        http.MessageData.__post_init__ = _check_once  # type: ignore[method-assign]


def check_no_types() -> None:
    """Has mitmproxy leave that check out, in a process that is ours alone."""
    if _check:
        http.MessageData.__post_init__ = lambda _: None  # type: ignore[method-assign]


def _check_once(data: http.MessageData) -> None:
    types = (type(data), *map(type, vars(data).values()))
    if types not in _checked and _check:
        _check(data)  # raises TypeError
        _checked.add(types)
