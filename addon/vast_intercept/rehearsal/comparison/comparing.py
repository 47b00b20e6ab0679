"""Compares Vast's answers to one call with the provider's, and with each other."""

from collections.abc import Sequence
from dataclasses import replace

from ..calls import RehearsedCall
from ..replies.reply import Reply, Wish
from .chance import is_by_chance
from .differences import differences
from .measures import Check, Comparison, Measure
from .own_checks import OwnChecks, own_checks, says_something
from .severity import severity_of
from .similarity import Similarities

# Errors that say that the call itself is wrong. Any other is the provider's state of that moment,
# or the key's, and says nothing about the call.
_OF_THE_CALL = frozenset({400, 404, 405, 413, 415, 422})

type Run = tuple[RehearsedCall, Reply]


def compare(wish: Wish, provider: Reply | None, runs: Sequence[Run]) -> list[Comparison]:
    """Compares each run of a call on Vast with the provider's answer, which may be missing.

    - An error of the provider that says that the call itself is wrong (status 400, 404, 405, 413,
      415 or 422) is what the app knows. Then such an error of Vast counts as served, and so does
      an answer, and nothing else is compared. Another error of the provider, such as 429 or 500,
      says nothing of the call, which is measured as one without a recorded answer.
    - An answer of the provider that is not complete is not compared with.
    - A call that Vast does not serve is measured by that alone.
    """
    usable = provider if provider and provider.complete and not provider.error else None
    of_provider = own_checks(wish, usable) if usable else None
    # Those that are served have their places among each other.
    served = [run[1] for run in runs if not _reason(run)]
    similarities = Similarities(usable, served)
    comparisons = []
    place = 0
    for run in runs:
        if reason := _reason(run):
            comparisons.append(_not_served(run, reason, provider))
            continue
        comparison = _served(wish, provider, usable, of_provider, run[1])
        comparison = replace(comparison, similarity=similarities.to_provider(place))
        by_chance = is_by_chance(comparison, place, served, similarities)
        comparisons.append(_weighed(replace(comparison, by_chance=by_chance)))
        place += 1
    return comparisons


def _reason(run: Run) -> str:
    """Why a call is not served; empty if it is."""
    rehearsed, reply = run
    if rehearsed.answer is None or reply.error or not reply.complete:
        of_reply = reply.error.code if reply.error else None
        broken = "no_answer" if rehearsed.answer is None else "broken_off"
        return rehearsed.report.error or of_reply or broken
    return ""


def _not_served(run: Run, reason: str, provider: Reply | None) -> Comparison:
    rehearsed, reply = run
    if _is_about_the_call(provider) and _is_about_the_call(reply):
        return Comparison(checks={Measure.SERVED: Check(holds=True, provider_holds=False)})
    advice = rehearsed.report.error_message or (reply.error.message if reply.error else "")
    why = advice or f"Vast gave no whole answer ({reason})."
    check = Check(holds=False, why=why, provider_holds=_answered(provider))
    return _weighed(Comparison(checks={Measure.SERVED: check}, reason=reason, advice=advice))


def _weighed(comparison: Comparison) -> Comparison:
    return replace(comparison, severity=severity_of(comparison))


def _served(
    wish: Wish,
    provider: Reply | None,
    usable: Reply | None,
    of_provider: OwnChecks | None,
    reply: Reply,
) -> Comparison:
    checks = {Measure.SERVED: Check(holds=True, provider_holds=_answered(provider))}
    if _is_about_the_call(provider):
        return Comparison(checks=checks)
    own = own_checks(wish, reply)
    if usable and not says_something(usable):
        # Then the app knows what to do with an empty answer.
        own.why.pop(Measure.NOT_EMPTY, None)
    for measure, why in own.why.items():
        theirs = of_provider.why.get(measure) if of_provider else None
        checks[measure] = Check(
            holds=not why, why=why, provider_holds=None if theirs is None else not theirs
        )
    if usable:
        checks |= differences(wish, usable, reply)
    return Comparison(checks=checks, unmeasured=own.unmeasured)


def _is_about_the_call(reply: Reply | None) -> bool:
    return bool(reply and reply.error and reply.error.status in _OF_THE_CALL)


def _answered(provider: Reply | None) -> bool | None:
    """Whether the provider served the call; None if that is not known."""
    return None if provider is None else provider.error is None
