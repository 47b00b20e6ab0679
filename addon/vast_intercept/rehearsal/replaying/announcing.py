"""Says what a rehearsal is going to do, before a person is asked. Pure."""

from collections.abc import Iterator

from ..report.report import Money
from ..wording import counted, duration, in_dollars
from .plan import Plan

_SHORTEST = 0.1  # seconds that are told as a number


def announced(
    plan: Plan, *, left: int, money: Money, judge: str | None, failed: int
) -> Iterator[str]:
    """The lines that say it. `left` calls have no result yet; `money` is what these cost.

    `failed` results from before are errors that may have passed.
    """
    runs = f", {plan.runs} times each," if plan.runs > 1 else ""
    where = f" on {', '.join(plan.endpoints)}" if plan.endpoints else ""
    yield f"{counted(plan.calls, 'call')}{runs}{where}, at most {plan.concurrency:,} at a time:"
    for operation, count in plan.operations.items():
        yield f"  {count:>8,}  {operation or 'no call of the API'}"
    if plan.unusable:
        parts = counted(plan.unusable, "part")
        yield f"{parts} of the recording cannot be used: the report says why."
    if left < plan.in_all:
        yield (
            f"{plan.in_all - left:,} of {counted(plan.in_all, 'call')} have a result from before"
            f" and are not made again: {left:,} are left. --fresh makes all of them again."
        )
    if failed:
        yield (
            f"{failed:,} of the results are errors that may have passed since, such as status 503."
        )
    if not left:
        return
    share = left / plan.in_all
    yield f"Prompt tokens  about {round(plan.prompt_tokens * share):,}"
    seconds = plan.seconds_for(left)
    time = f"about {duration(seconds)}" if seconds >= _SHORTEST else f"less than {_SHORTEST} s"
    yield f"Time           {time}"
    about = "" if money.dollars is None else "about "
    yield f"Cost           {about}{in_dollars(money.dollars)}"
    if judge:
        calls = counted(2 * plan.calls, "call")
        yield f"And up to {calls} to the judge, {judge}: they are not included."
        if judge in plan.endpoints:
            yield f"{judge} judges its own answers: models prefer those. Another one is fairer."
    for assumption in dict.fromkeys((*plan.assumptions, *money.assumptions)):
        yield f"- {assumption}"
