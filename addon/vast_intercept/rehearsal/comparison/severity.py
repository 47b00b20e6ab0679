"""How bad differences are, as one number by which calls are sorted, the worst first."""

from .measures import Comparison, Measure

#: An app that gets no answer fails, one that cannot read it most likely does, and other words
#: matter least. The numbers say no more than the order: what comes below never outweighs it.
WEIGHTS = {
    Measure.SERVED: 100,
    Measure.JSON: 90,
    Measure.NOT_EMPTY: 85,
    Measure.SCHEMA: 80,
    Measure.TOOLS: 75,
    Measure.ARGUMENTS: 70,
    Measure.REFUSAL: 65,
    Measure.FORM: 60,
    Measure.LANGUAGE: 55,
    Measure.SAME_ARGUMENTS: 50,
    Measure.FINISH_REASON: 45,
    Measure.LENGTH: 40,
    Measure.EXACT: 35,
}
# What else is wrong orders those whose worst is the same. All of it is less than a step.
_REST = 0.004
# What is chance comes behind whatever is not.
_BY_CHANCE = 0.1


def severity_of(comparison: Comparison) -> float:
    """The severity; 0 if nothing differs.

    What the provider's answer fails, too, does not count, since the app stands it; except that a
    call that Vast does not serve is always among the worst.
    """
    wrong = sorted(
        (
            WEIGHTS[measure]
            for measure, check in comparison.checks.items()
            if not check.holds and (measure is Measure.SERVED or check.provider_holds is not False)
        ),
        reverse=True,
    )
    severity = wrong[0] + _REST * sum(wrong[1:]) if wrong else 0.0
    if comparison.similarity is not None:
        severity += 1 - comparison.similarity
    return severity * _BY_CHANCE if comparison.by_chance else severity
