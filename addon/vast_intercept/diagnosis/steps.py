"""Runs steps, each of which needs others to have passed."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .findings import Finding, NotApplicable, Problem, Result, StepStatus
from .time_limits import within

#: Seconds that a step may take, unless it has a limit of its own.
LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """Looks at one thing. `limit` is in seconds."""

    name: str
    look: Callable[[], Finding]
    needs: tuple[str, ...] = ()
    #: Steps whose failure alone does not prevent this one, although others that it needs do.
    despite: frozenset[str] = frozenset()
    limit: float = LIMIT


def run(steps: Iterable[Step]) -> Iterator[Result]:
    """Runs steps one after the other. Skips those that need a step that has failed."""
    #: The failed steps that are to blame for each step that did not pass.
    blamed: dict[str, frozenset[str]] = {}
    for step in steps:
        blame = frozenset().union(*(blamed.get(name, frozenset()) for name in step.needs))
        if guilty := sorted(blame - step.despite):
            blamed[step.name] = blame
            because = f"not looked at, because {' and '.join(guilty)} failed"
            yield Result(step.name, "skipped", 0, because)
            continue
        result = _run(step)
        if result.status == "failed":
            blamed[step.name] = frozenset({step.name})
        yield result


def _run(step: Step) -> Result:
    started = time.monotonic()
    status: StepStatus = "failed"
    try:
        finding = within(step.limit, step.look)
        status = "passed"
    except Problem as problem:
        finding = Finding(problem.message, advice=problem.advice)
    except NotApplicable as reason:
        status, finding = "skipped", Finding(str(reason))
    except TimeoutError:
        finding = Finding(
            f"it did not end within {step.limit:g} s",
            advice="Something on the way is very slow, or answers never: try again, and look at"
            " this machine's network.",
        )
    except Exception as error:  # noqa: BLE001  (the other steps still have something to say)
        finding = Finding(
            f"the check itself stumbled: {type(error).__name__}: {error}",
            advice="That should not happen: please report it, with this output.",
        )
    spent = round((time.monotonic() - started) * 1000)
    return Result(step.name, status, spent, finding.message, finding.details, finding.advice)
