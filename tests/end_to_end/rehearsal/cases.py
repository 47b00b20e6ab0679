"""What the provider and Vast say to each question of the program, and which measures then fail.

Written by what the measures mean, not by what the code says of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vast_intercept.rehearsal.comparison.measures import Measure

from ...harness import APP_KEY, VAST_KEY

type Said = dict[str, Any]

_LONG = " ".join(
    ["A hash is a short number that is made of any data in the same way each time."] * 4
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A question, and its answers as the stand-in's field `standin` has them."""

    #: What the last message of the request holds.
    to: str
    provider: Said
    #: One answer after the other, and again.
    vast: Sequence[Said]
    #: The measures that say something of this answer.
    measured: frozenset[Measure]
    #: Those that fail.
    fails: frozenset[Measure] = frozenset()


#: What is measured of every text that both have given.
_TEXT = frozenset(
    {
        Measure.SERVED,
        Measure.FINISH_REASON,
        Measure.LENGTH,
        Measure.REFUSAL,
        Measure.LANGUAGE,
        Measure.NOT_EMPTY,
    }
)


#: Texts that are too short to tell their language, or are none.
_NO_LANGUAGE = (Measure.LANGUAGE,)


def _texts(
    to: str,
    provider: str,
    *vast: str | Said,
    fails: Sequence[Measure] = (),
    more: Sequence[Measure] = (),
    less: Sequence[Measure] = (),
) -> Case:
    return Case(
        to=to,
        provider={"text": provider},
        vast=[{"text": each} if isinstance(each, str) else each for each in vast or (provider,)],
        measured=_TEXT - set(less) | set(more),
        fails=frozenset(fails),
    )


def _call(name: str, **arguments: Any) -> Said:
    return {"tool_calls": [{"name": name, "arguments": arguments}]}


_TOOLS = frozenset({Measure.NOT_EMPTY, Measure.TOOLS, Measure.ARGUMENTS, Measure.SAME_ARGUMENTS})


def _tools(to: str, provider: Said, vast: Said, fails: Sequence[Measure] = ()) -> Case:
    measured = frozenset({Measure.SERVED, Measure.FINISH_REASON}) | _TOOLS
    if Measure.TOOLS in fails:
        measured -= {Measure.SAME_ARGUMENTS}  # those of another tool are no others
    return Case(to=to, provider=provider, vast=[vast], measured=measured, fails=frozenset(fails))


#: What a rehearsal has beside `CASES`: what is measured of it, and which of that fails.
OTHERS = (
    # Vectors of another length than the provider's, and an image as the provider has made one.
    (frozenset({Measure.SERVED, Measure.FORM}), frozenset({Measure.FORM})),
    (frozenset({Measure.SERVED, Measure.FORM}), frozenset[Measure]()),
    # Vast serves no moderations.
    (frozenset({Measure.SERVED}), frozenset({Measure.SERVED})),
    # The provider had an error, which no answer of Vast's can be held against.
    (frozenset({Measure.SERVED, Measure.NOT_EMPTY}), frozenset[Measure]()),
)

#: What the provider says to one question of the program's. Some name the key that was sent.
TOO_FAST: Said = {
    "status": 429,
    "body": f'{{"error": {{"message": "Slow down, {APP_KEY}.", "type": "requests", "param": null,'
    ' "code": "rate_limit_exceeded"}}',
}

_PROXY = "A proxy stands between a client and a server, and passes on what they say to each other."
_CERTIFICATE = "A certificate says whose key this is, and is signed by somebody whom you trust."
_STORY = "Once upon a time there was a fox who lived in the forest and knew all of the others."
_LOCKS = (
    "A lock has pins of different lengths, and only the right key lifts each of them far enough."
)
_MOUNTAIN = "A mountain is a part of the land that is much higher than all that is around it."
_BERG = "Ein Berg ist ein Teil der Landschaft, der viel höher ist als alles, was um ihn herum ist."
_SOMETHING = "Here is something: the sun is larger than the earth, and further away than the moon."
_SOCKET = "A socket is one of the ends of a connection, and what you write to it is read there."

CASES = (
    _texts("What is a proxy?", _PROXY),
    _texts("What is a certificate?", _CERTIFICATE),
    _texts("What is a port?", "A port is the number of a service on a machine, such as 443."),
    _texts(
        "What is a socket?",
        _SOCKET,
        f"{_SOCKET} It needs no {VAST_KEY}.",  # as a worker that shows what it was sent
    ),
    _texts(
        "Tell a long story.",
        _STORY,
        {"text": _STORY, "finish_reason": "length"},
        fails=[Measure.FINISH_REASON],
    ),
    _texts(
        "Explain hashing",
        "A hash is a short number that is made of any data in the same way.",
        _LONG,
        fails=[Measure.LENGTH],
    ),
    _texts(
        "How do locks work?",
        _LOCKS,
        "I'm sorry, but I can't help with that request, since it may be used to do harm to others.",
        fails=[Measure.REFUSAL],
    ),
    _texts("What is a mountain?", _MOUNTAIN, _BERG, fails=[Measure.LANGUAGE]),
    Case(
        to="Say something.",
        provider={"text": _SOMETHING},
        vast=[{"text": ""}],
        measured=frozenset({Measure.SERVED, Measure.FINISH_REASON, Measure.NOT_EMPTY}),
        fails=frozenset({Measure.NOT_EMPTY}),
    ),
    # The model says something else each time, so that the other words are chance.
    _texts(
        "Surprise me.",
        "The heart of a shrimp is in its head, and it beats about two hundred times a minute.",
        "An octopus has three hearts, and two of them stop when the animal begins to swim away.",
        "Honey does not spoil: what was found in old tombs could still be eaten by those people.",
        "A day on Venus is longer than its year, since the planet turns so slowly on its own axis.",
    ),
    _texts("Two plus two?", "Four.", more=[Measure.EXACT], less=_NO_LANGUAGE),
    _texts(
        "Three plus three?",
        "Six.",
        "Seven.",
        more=[Measure.EXACT],
        less=_NO_LANGUAGE,
        fails=[Measure.EXACT],
    ),
    _texts(
        "List capitals", '{"capitals": ["Paris", "Rome"]}', more=[Measure.JSON], less=_NO_LANGUAGE
    ),
    _texts(
        "List rivers",
        '{"rivers": ["Rhine", "Nile"]}',
        '{"rivers": ["Rhine", "Nile"',
        more=[Measure.JSON],
        less=_NO_LANGUAGE,
        fails=[Measure.JSON],
    ),
    _texts(
        "Who was Ada?",
        '{"name": "Ada Lovelace", "born": 1815}',
        more=[Measure.JSON, Measure.SCHEMA],
        less=_NO_LANGUAGE,
    ),
    _texts(
        "Who was Grace?",
        '{"name": "Grace Hopper", "born": 1906}',
        '{"name": "Grace Hopper", "born": "1906"}',
        more=[Measure.JSON, Measure.SCHEMA],
        less=_NO_LANGUAGE,
        fails=[Measure.SCHEMA],
    ),
    _tools("warm in Paris?", *[_call("get_weather", city="Paris")] * 2),
    _texts("18 degrees in Paris", "It is quite warm in Paris today: there are 18 degrees."),
    _tools(
        "warm in Rome?",
        _call("get_weather", city="Rome"),
        _call("get_time", city="Rome"),
        [Measure.TOOLS],
    ),
    _tools(
        "warm in Oslo?",
        _call("get_weather", city="Oslo"),
        _call("get_weather", town="Oslo"),
        [Measure.ARGUMENTS, Measure.SAME_ARGUMENTS],
    ),
    _tools(
        "warm in Bern?",
        _call("get_weather", city="Bern", unit="C"),
        _call("get_weather", city="Bern", unit="F"),
        [Measure.SAME_ARGUMENTS],
    ),
    _texts("My name is Ada.", "Hello Ada! It is nice to meet you. What can I do for you today?"),
    _texts("What is my name?", "Your name is Ada.", less=_NO_LANGUAGE),
)


#: What the provider says to each question.
PROVIDER_S_SCRIPT = {case.to: case.provider for case in CASES} | {"Am I too fast?": TOO_FAST}

#: What Vast says to each, as the stand-in's script has it.
VAST_S_SCRIPT = [{"to": case.to, "answers": list(case.vast)} for case in CASES]

CALLS = len(CASES) + len(OTHERS)


def expected() -> dict[Measure, tuple[int, int]]:
    """How often each measure says something, and how often it holds."""
    pairs = [*((case.measured, case.fails) for case in CASES), *OTHERS]
    return {
        measure: (
            sum(measure in measured for measured, _ in pairs),
            sum(measure in measured - fails for measured, fails in pairs),
        )
        for measure in Measure
    }
