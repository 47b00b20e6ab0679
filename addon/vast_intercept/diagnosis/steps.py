"""Steps, each with what must be well before it can say anything."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .limits import within
from .outcome import Finding, NotApplicable, Problem, Result

#: How long a step may take that says nothing else, in seconds.
LIMIT = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """Looks at one thing."""

    name: str
    look: Callable[[], Finding]
    needs: tuple[str, ...] = ()
    #: Steps whose failure alone does not make it pointless, though it is needed by what is.
    despite: frozenset[str] = frozenset()
    limit: float = LIMIT


def run(steps: Iterable[Step]) -> Iterator[Result]:
    """Runs one after the other. One that needs what has failed is skipped."""
    #: What is to blame for each that did not pass.
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

    def spent() -> int:
        return round((time.monotonic() - started) * 1000)

    try:
        finding = within(step.limit, step.look)
    except Problem as problem:
        return Result(step.name, "failed", spent(), problem.message, advice=problem.advice)
    except NotApplicable as reason:
        return Result(step.name, "skipped", spent(), str(reason))
    except TimeoutError:
        return Result(
            step.name,
            "failed",
            spent(),
            f"it did not end within {step.limit:g} s",
            advice="Something on the way is very slow, or answers never: try again, and look at"
            " this machine's network.",
        )
    except Exception as error:  # noqa: BLE001  (the other steps still have something to say)
        return Result(
            step.name,
            "failed",
            spent(),
            f"the check itself stumbled: {type(error).__name__}: {error}",
            advice="That should not happen: please report it, with this output.",
        )
    return Result(step.name, "passed", spent(), finding.message, finding.details, finding.advice)
