"""How large a schema is once its references are put in place: so much is checked of each value."""

import re
from typing import Any
from urllib.parse import unquote

_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ANCHORS = ("$anchor", "$dynamicAnchor")
# Look-around, atomic groups and possessive repetition, and backreferences.
_STEPS_BACK = re.compile(r"\(\?[=!<>(]|[*+?}]\+|\\[1-9kKG]")
# A repetition that is counted: of a group or of less, and how many times at most.
_COUNTED = re.compile(r"(\)?)\{(?:\d{0,6},)?(\d{1,6})\}")
#: Schemas are not counted beyond this.
UNCOUNTABLE = 10**9


class SchemaSize:
    """Counts the parts of a schema, and finds out whether it refers to itself.

    A schema of a few lines may stand for billions: each of twenty definitions may refer to the one
    before twice. Raises RecursionError if it is nested too deeply.
    """

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._anchors: dict[str, Any] = {}
        self._sizes: dict[int, int] = {}
        #: Whether any part refers to a part that holds it.
        self.is_recursive = False
        #: The regular expressions.
        self.patterns: list[str] = []
        self._look_through(schema)
        #: The parts, with those that are referred to counted again for each reference.
        self.parts = self._count(schema)

    @property
    def stepping_back(self) -> int:
        """How many of the patterns may have to step back: others take linear time."""
        return sum(_STEPS_BACK.search(each) is not None for each in self.patterns)

    @property
    def states(self) -> int:
        """About how many states all patterns have: each character may be tried with each of them.

        >>> SchemaSize({"pattern": "(a{3}){20}"}).states
        260
        """
        return sum(map(_states, self.patterns))

    def _look_through(self, part: Any) -> None:
        if isinstance(part, dict):
            if isinstance(pattern := part.get("pattern"), str):
                self.patterns.append(pattern)
            if isinstance(named := part.get("patternProperties"), dict):
                self.patterns.extend(named)
            for name in _ANCHORS:
                if isinstance(anchor := part.get(name), str):
                    self._anchors[f"#{anchor}"] = part
            for each in part.values():
                self._look_through(each)
        elif isinstance(part, list):
            for each in part:
                self._look_through(each)

    def _count(self, part: Any) -> int:
        if not isinstance(part, dict | list):
            return 1
        known = self._sizes.get(id(part))
        if known is not None:
            self.is_recursive = self.is_recursive or not known
            return known or 1
        self._sizes[id(part)] = 0  # it is being counted
        inner = part.values() if isinstance(part, dict) else part
        size = 1 + sum(map(self._count, inner))
        if isinstance(part, dict):
            for name in _REFERENCES:
                if isinstance(reference := part.get(name), str):
                    size += self._count(self._target(reference))
        self._sizes[id(part)] = size = min(size, UNCOUNTABLE)
        return size

    def _target(self, reference: str) -> Any:
        """What a reference refers to within the schema (RFC 6901), or None."""
        # A reference to another document is never followed.
        fragment = reference.partition("#")[2]
        if fragment and not fragment.startswith("/"):
            return self._anchors.get(f"#{fragment}")
        part = self._schema
        for step in fragment.split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(part, dict):
                part = part.get(name)
            elif isinstance(part, list) and name.isdecimal() and int(name[:9]) < len(part):
                part = part[int(name[:9])]
            else:
                return None
        return part


def _states(pattern: str) -> int:
    states, times = len(pattern), 1
    for of_group, count in _COUNTED.findall(pattern):
        if of_group:
            times = min(times * max(int(count), 1), UNCOUNTABLE)
        else:
            states += int(count)
    return min(states * times, UNCOUNTABLE)
