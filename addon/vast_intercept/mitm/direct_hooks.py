"""An addon manager that knows beforehand whom each hook concerns."""

import inspect
from collections.abc import Callable
from typing import Any

from mitmproxy import addonmanager, exceptions, hooks

type Functions = list[Callable[..., Any]]


class DirectAddonManager(addonmanager.AddonManager):
    """Calls a hook's functions one after the other, without asking every addon each time.

    mitmproxy's own manager walks through its 36 addons and ours eight times for each call,
    which is a good part of mitmdump's time (FACTS M12). Addons come and go through `register` and
    `remove`, and options say which scripts there are: what was found is forgotten then. A hook that
    an addon is given later, as an attribute, is not seen.
    """

    #: By hook: the functions of each addon in the chain that has any.
    found: dict[str, list[Functions]]

    @classmethod
    def take_over(cls, manager: addonmanager.AddonManager) -> None:
        """Makes one of these of mitmproxy's own manager, for good. Another's is left as it is."""
        if type(manager) is addonmanager.AddonManager:
            manager.__class__ = cls
            assert isinstance(manager, cls)
            manager.found = {}

    def register(self, addon: Any) -> Any:
        self.found.clear()
        return super().register(addon)

    def add(self, *addons: Any) -> None:
        super().add(*addons)
        self.found.clear()  # an addon is in the chain only after it was registered

    def remove(self, addon: Any) -> None:
        super().remove(addon)
        self.found.clear()

    def clear(self) -> None:
        super().clear()
        self.found.clear()

    def trigger(self, event: hooks.Hook) -> None:
        try:
            super().trigger(event)
        finally:
            if isinstance(event, hooks.ConfigureHook):
                self.found.clear()  # the option `scripts` has an order

    async def trigger_event(self, event: hooks.Hook) -> None:
        found = self.found.get(event.name)
        if found is None:
            found = self.found[event.name] = self._find(event)
        if not found:
            return
        arguments = event.args()
        for functions in found:
            try:
                for function in functions:
                    result = function(*arguments)
                    if result is not None and inspect.isawaitable(result):
                        await result
            except exceptions.AddonHalt:
                return
            except Exception:  # logged as mitmproxy logs it
                with addonmanager.safecall():
                    raise

    def _find(self, event: hooks.Hook) -> list[Functions]:
        found = []
        for addon in self.chain:
            functions: Functions = []
            with addonmanager.safecall():  # one that has something else by a hook's name
                functions.extend(function for _, function in self._iter_hooks(addon, event))
            if functions:
                found.append(functions)
        return found
