"""Tells whether a difference is the model's own spread: then the move is not to blame."""

from collections.abc import Hashable, Sequence

from ..replies.reply import Reply
from .differences import arguments_of
from .languages import language_of
from .measures import Comparison, Measure
from .own_checks import says_something
from .refusals import is_refusal
from .similarity import Similarities

# How much less the runs may differ from each other than from the provider.
_TOLERANCE = 0.1
# Other runs that a run is held against.
_MOST_RUNS = 10
# Measures of an answer by itself. What fails there is wrong whatever the provider's answer is.
_BY_ITSELF = frozenset({Measure.SERVED, Measure.JSON, Measure.SCHEMA, Measure.ARGUMENTS})


def is_by_chance(
    comparison: Comparison,
    run: int,
    replies: Sequence[Reply],
    similarities: Similarities,
) -> bool | None:
    """Whether Vast's runs differ from each other as much as this run does from the provider.

    That is so if the runs do not agree on anything in which this one differs, and their texts are
    not more alike than this one and the provider's. What is wrong in itself, such as broken JSON,
    is never chance. None with fewer than two answers, and False if nothing differs.
    """
    if len(replies) < 2:
        return None
    wrong = [measure for measure, check in comparison.checks.items() if not check.holds]
    if any(measure in _BY_ITSELF for measure in wrong):
        return False
    similarity = comparison.similarity
    if not wrong and similarity in {None, 1.0}:
        return False
    others = [other for other in range(len(replies)) if other != run][:_MOST_RUNS]
    for measure in wrong:
        mine = _property(measure, replies[run])
        if all(_property(measure, replies[other]) == mine for other in others):
            return False
    alike = [each for other in others if (each := similarities.between(run, other)) is not None]
    if similarity is None or not alike:
        return bool(wrong)
    return sum(alike) / len(alike) <= similarity + _TOLERANCE


def _property(measure: Measure, reply: Reply) -> Hashable:
    """What of an answer the measure looks at."""
    match measure:
        case Measure.TOOLS:
            return tuple(call.name for call in reply.tool_calls)
        case Measure.SAME_ARGUMENTS:
            return tuple((call.name, arguments_of(call)) for call in reply.tool_calls)
        case Measure.FINISH_REASON:
            return reply.finish_reason
        case Measure.REFUSAL:
            return is_refusal(reply)
        case Measure.LANGUAGE:
            return language_of(reply.text)
        case Measure.NOT_EMPTY:
            return says_something(reply)
        case Measure.FORM:
            return reply.form
        case Measure.LENGTH:
            return len(reply.text)
    return reply.text
