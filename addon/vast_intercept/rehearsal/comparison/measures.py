"""What is measured of an answer."""

from dataclasses import dataclass, field
from enum import StrEnum


class Measure(StrEnum):
    """What an app may depend on. The values are the names of the gates of `--fail-under`."""

    #: Vast answers the call, and with no error; or with one, where the provider's answer is an
    #: error that says that the call itself is wrong.
    SERVED = "served"
    #: Valid JSON where JSON was asked for.
    JSON = "json"
    #: JSON that is valid against the schema that was given.
    SCHEMA = "schema"
    #: The same tools chosen as the provider's model chose, in the same order.
    TOOLS = "tools"
    #: Each tool's arguments valid against its schema.
    ARGUMENTS = "arguments"
    #: Arguments equal to those of the provider's model, as JSON values.
    SAME_ARGUMENTS = "same_arguments"
    #: It ends for the same reason.
    FINISH_REASON = "finish_reason"
    #: Between half and twice as long as the provider's.
    LENGTH = "length"
    #: The model does not refuse what the provider's model did not refuse.
    REFUSAL = "refusal"
    #: In the same language.
    LANGUAGE = "language"
    #: Not empty where the provider's was not.
    NOT_EMPTY = "not_empty"
    #: The same text, where the request wants the likeliest answer (temperature 0).
    EXACT = "exact"
    #: An answer that is no text has the same form, such as the number and length of embeddings.
    FORM = "form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One measure of one answer."""

    holds: bool
    #: What is wrong, for a person to read; empty if it holds.
    why: str = ""
    #: Whether the provider's own answer fails the same measure. None where it is compared with it.
    provider_holds: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Vast's answer to one call, in one run, held against the provider's."""

    #: Only measures that say something about this call.
    checks: dict[Measure, Check] = field(default_factory=dict)
    #: What would say something, but cannot be measured, and why, for a person to read: such as a
    #: schema that is none.
    unmeasured: dict[Measure, str] = field(default_factory=dict)
    #: How alike both texts are, from 0 to 1; None where there are no two texts.
    similarity: float | None = None
    #: Whether Vast's own runs differ from each other as much: then it is chance. None with one run.
    by_chance: bool | None = None
    #: Why Vast does not serve the call: the error's code; empty if it does.
    reason: str = ""
    #: The error's text, which names the line of the configuration that would help, if there is one.
    advice: str = ""
    #: How bad it is: larger is worse, 0 if nothing differs. Calls are sorted by it.
    severity: float = 0.0
