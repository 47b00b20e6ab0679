"""What can be said of an answer by itself: JSON, schemas, the arguments of tools, emptiness."""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...openai_api.operations import GENERATING, Operation
from ..replies.reply import Reply, ToolCall, Wish
from .measures import Measure
from .schemas import SchemaError, why_invalid

#: Operations whose answers are texts, so that one without text is empty.
TEXTS = GENERATING | {Operation.AUDIO_TRANSCRIPTIONS, Operation.AUDIO_TRANSLATIONS}


class NotJsonError(Exception):
    """A text is no JSON. The message says where."""


@dataclass(slots=True)
class OwnChecks:
    """What is measured of an answer by itself."""

    #: What is wrong, by measure; empty if nothing is.
    why: dict[Measure, str] = field(default_factory=dict)
    #: Why a measure says nothing of this answer, although it should.
    unmeasured: dict[Measure, str] = field(default_factory=dict)


def own_checks(wish: Wish, reply: Reply) -> OwnChecks:
    """Measures an answer without any other."""
    checks = OwnChecks()
    if wish.operation in TEXTS or wish.operation is None:
        checks.why[Measure.NOT_EMPTY] = "" if says_something(reply) else "The answer is empty."
    if wish.wants_json and not reply.tool_calls and not reply.refusal:
        _check_json(checks, wish, reply)
    if reply.tool_calls:
        _check_arguments(checks, wish, reply)
    return checks


def says_something(reply: Reply) -> bool:
    """Whether an answer has a text, or calls of tools."""
    return bool(reply.text.strip() or reply.tool_calls or reply.refusal)


def json_of(text: str) -> Any:
    """The value of a text that is to be JSON (RFC 8259). Raises NotJsonError."""
    try:
        return msgspec.json.decode(text)
    except msgspec.MsgspecError as error:
        raise NotJsonError(str(error)) from None
    except RecursionError:
        raise NotJsonError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise NotJsonError("it has half of a surrogate pair") from None


def _check_json(checks: OwnChecks, wish: Wish, reply: Reply) -> None:
    try:
        value = json_of(reply.text)
    except NotJsonError as error:
        checks.why[Measure.JSON] = f"The answer is not JSON: {error}."
        if wish.schema is not None:
            checks.why[Measure.SCHEMA] = "The answer is not JSON."
        return
    checks.why[Measure.JSON] = ""
    if wish.schema is None:
        return
    try:
        checks.why[Measure.SCHEMA] = why_invalid(wish.schema, value, reply.text)
    except SchemaError as error:
        checks.unmeasured[Measure.SCHEMA] = str(error)


def _check_arguments(checks: OwnChecks, wish: Wish, reply: Reply) -> None:
    wrong: list[str] = []
    unmeasured: list[str] = []
    for call in reply.tool_calls:
        try:
            why = _why_wrong(wish, call)
        except SchemaError as error:
            unmeasured.append(f"{call.name}: {error}")
            continue
        if why:
            wrong.append(f"{call.name or 'a tool without a name'}: {why}")
    if unmeasured and not wrong:
        checks.unmeasured[Measure.ARGUMENTS] = "; ".join(unmeasured)
    else:
        checks.why[Measure.ARGUMENTS] = "; ".join(wrong)


def _why_wrong(wish: Wish, call: ToolCall) -> str:
    """What is wrong with a call of a tool; empty if nothing is. Raises SchemaError."""
    if call.name not in wish.tools:
        return "the request has no such tool"
    if call.name in wish.text_tools:
        return ""
    try:
        value = json_of(call.arguments)
    except NotJsonError as error:
        return f"the arguments are not JSON: {error}"
    schema = wish.tools[call.name]
    if schema is None:
        return "" if isinstance(value, dict) else "the arguments are not a JSON object"
    return why_invalid(schema, value, call.arguments)
