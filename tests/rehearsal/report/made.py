"""Rehearsals of the tests' own: a few calls of all kinds, hostile ones, and many."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vast_intercept.openai_api.operations import Operation
from vast_intercept.rehearsal.calls import Answer, RecordedCall, RehearsedCall, Unusable
from vast_intercept.rehearsal.comparison.measures import Check, Comparison, Measure
from vast_intercept.rehearsal.replies.reply import Reply, ReplyError, ToolCall, Wish
from vast_intercept.rehearsal.report.collected import Collected
from vast_intercept.rehearsal.report.report import (
    Costs,
    Entry,
    Judgement,
    Money,
    Rehearsal,
    RehearsedRun,
)
from vast_intercept.telemetry.report import CallReport, Ending

BEGAN = 1_790_000_000.0
#: Text that would be something else than text, if anybody took it for that.
HOSTILE = (
    "</script><script>document.title='taken'</script><img src=x onerror=alert(1)><!-- ]]>"
    " \u2028\u2029 \x00 \x1b[31m \ud800 \N{RIGHT-TO-LEFT OVERRIDE}gnp.exe &amp; ${1} $numbers"
)
KEY = "sk-proj-0123456789abcdefghijKLMN"

UNMEASURED = {Measure.SCHEMA: "the schema is not usable"}
HOLDS = Check(holds=True)


def fails(why: str, *, provider: bool | None = None) -> Check:
    """A measure that does not hold."""
    return Check(holds=False, why=why, provider_holds=provider)


def answer(reply: Reply | None = None, *, total: float = 2.0, first: float | None = None) -> Answer:
    """An answer that took so many seconds."""
    error = reply.error if reply else None
    return Answer(
        status=error.status if error else 200, content_type="application/json",
        body=b"{}", time_to_first_token=first, duration=total,
    )  # fmt: skip


def run(
    reply: Reply, comparison: Comparison, *, total: float = 1.0, first: float | None = None,
    waited: float = 0.0, endpoint: str | None = "my-endpoint",
) -> RehearsedRun:  # fmt: skip
    """One run on Vast."""
    report = CallReport(
        request_id="r", time=BEGAN, outcome=Ending.FAILED if reply.error else Ending.OK,
        endpoint=endpoint, attempts=2 if waited else 1, waited=waited,
    )  # fmt: skip
    rehearsed = RehearsedCall(answer=answer(reply, total=total, first=first), report=report)
    return RehearsedRun(rehearsed=rehearsed, reply=reply, comparison=comparison)


def entry(
    number: int,
    question: str,
    provider: Reply | None,
    *runs: RehearsedRun,
    operation: Operation | None = Operation.CHAT_COMPLETIONS,
    total: float = 2.0,
    first: float | None = None,
    system: str = "You are a helpful assistant.",
    **body: Any,
) -> Entry:
    """An entry of a chat."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    request = {"model": "gpt-4o", "messages": messages, "stream": first is not None, **body}
    call = RecordedCall(
        place=f"flow {number}",
        method="POST",
        url=f"https://api.openai.com/v1/{operation or 'unknown'}",
        headers=(("content-type", "application/json"), ("user-agent", "OpenAI/Python 2.7.1")),
        body=json.dumps(request).encode(),
        answer=answer(provider, total=total, first=first) if provider else None,
        problem="" if provider else "the recording ends before the answer",
        time=BEGAN + number,
    )
    wish = Wish(
        operation=operation, model="gpt-4o", streamed=first is not None,
        messages=tuple((each["role"], each["content"]) for each in messages),
    )  # fmt: skip
    return Entry(call=call, wish=wish, provider=provider, runs=runs)


def reply(text: str = "", **more: Any) -> Reply:
    """An answer in text."""
    known = {"finish_reason": "stop", "prompt_tokens": 31, "model": "gpt-4o-2024-11-20"}
    return Reply(**{"text": text, "completion_tokens": len(text.split()) or 12, **known, **more})


def ours(text: str = "", **more: Any) -> Reply:
    """An answer of a model on Vast."""
    return reply(text, **{"model": "Qwen/Qwen3-32B", **more})


def compared(severity: float = 0.0, **more: Any) -> Comparison:
    """A comparison, by default one where nothing differs."""
    checks = {Measure.SERVED: HOLDS, **more.pop("checks", {})}
    return Comparison(severity=severity, checks=checks, **more)


def of_all_kinds() -> list[Entry]:
    """Calls of which each differs in another way, in two runs each."""
    oslo = (
        "It will be around 3 °C in Oslo tomorrow with light snow in the afternoon, so wear"
        " a warm coat, gloves and shoes that keep the water out."
    )
    other = (
        "Tomorrow in Oslo it will be about 3 °C with light snow in the afternoon, so a warm"
        " coat, gloves and shoes that keep the water out are a good idea."
    )
    weather = ToolCall(name="get_weather", arguments='{"city":"Oslo","days":2,"unit":"celsius"}')
    fahrenheit = ToolCall(
        name="get_weather", arguments='{"city": "Oslo, Norway", "days": 2, "unit": "fahrenheit"}'
    )
    search = ToolCall(name="search_web", arguments='{"query": "weather Oslo tomorrow"}')
    invoice = (
        '{"number":"2026-1041","total":1249.50,"currency":"EUR",'
        '"items":[{"name":"Desk","price":1100},{"name":"Lamp","price":149.50}]}'
    )
    refused = Reply(
        error=ReplyError(
            status=400, code="unsupported_endpoint", message="Embeddings are not served."
        ),
    )
    broken = Reply(
        error=ReplyError(
            status=502,
            code="vast_unreachable",
            message="All workers of 'my-endpoint' are unreachable.",
        )
    )
    advice = (
        "No endpoint is said to serve embeddings. Add `serves: [embeddings]` to the endpoint"
        " that does, under vast.endpoints."
    )
    not_served = Comparison(
        severity=100.0, reason="unsupported_endpoint", advice=advice,
        checks={Measure.SERVED: fails("unsupported_endpoint: embeddings are not served")},
    )  # fmt: skip
    unreachable = Comparison(
        severity=90.0, reason="vast_unreachable", advice="",
        checks={Measure.SERVED: fails("vast_unreachable: all workers are unreachable")},
    )  # fmt: skip
    same = compared(
        checks={Measure.FINISH_REASON: HOLDS, Measure.LENGTH: HOLDS, Measure.LANGUAGE: HOLDS},
        similarity=0.78,
        by_chance=True,
    )
    wrong_json = compared(
        50.0,
        by_chance=False,
        similarity=0.61,
        checks={
            Measure.JSON: fails("the answer is not JSON: it has text around it", provider=True),
            Measure.SCHEMA: fails("the answer is not JSON", provider=True),
            Measure.FINISH_REASON: HOLDS,
        },
    )
    right_json = compared(
        similarity=0.97,
        checks={
            Measure.JSON: Check(holds=True, provider_holds=True),
            Measure.SCHEMA: Check(holds=True, provider_holds=True),
        },
    )
    return [
        entry(
            1,
            "What should I wear in Oslo tomorrow?",
            reply(oslo),
            run(ours(other), same, total=1.4, first=0.21),
            run(ours(oslo), same, total=1.2, first=0.19),
            total=2.2,
            first=0.48,
        ),
        entry(
            2,
            "What is the weather in Oslo like?",
            reply(tool_calls=(weather,), finish_reason="tool_calls"),
            run(
                ours(tool_calls=(fahrenheit,), finish_reason="tool_calls"),
                compared(
                    20.0,
                    by_chance=False,
                    checks={
                        Measure.TOOLS: HOLDS,
                        Measure.ARGUMENTS: Check(holds=True, provider_holds=True),
                        Measure.SAME_ARGUMENTS: fails(
                            'get_weather: city is "Oslo, Norway" instead of "Oslo"'
                        ),
                    },
                ),
                total=0.9,
            ),
            run(
                ours(tool_calls=(search,), finish_reason="tool_calls"),
                compared(
                    35.0,
                    by_chance=False,
                    checks={
                        Measure.TOOLS: fails("search_web instead of get_weather"),
                        Measure.ARGUMENTS: Check(holds=True, provider_holds=True),
                    },
                ),
                total=0.8,
            ),
            total=1.3,
        ),
        entry(
            3,
            "Read this invoice: Desk 1,100.00, Lamp 149.50. Number 2026-1041.",
            reply(invoice),
            run(ours(f"Here is the invoice:\n```json\n{invoice}\n```"), wrong_json, total=1.9),
            run(ours(invoice), right_json, total=1.7),
            total=2.6,
            system="Answer with JSON.",
        ),
        entry(
            4,
            "Embed these: Oslo, Bergen",
            reply(form="2 embeddings of 1,536 numbers", finish_reason=None),
            run(refused, not_served, endpoint=None, total=0.004),
            run(refused, not_served, endpoint=None, total=0.004),
            operation=Operation.EMBEDDINGS,
            total=0.31,
        ),
        entry(
            5,
            "Translate into Norwegian: Good morning, how are you?",
            reply("God morgen, hvordan har du det?"),
            run(broken, unreachable, total=12.0),
            run(
                ours("God morgen, hvordan går det?"),
                compared(
                    2.0,
                    similarity=0.83,
                    by_chance=False,
                    checks={
                        Measure.EXACT: fails("the text differs from word 4 on"),
                        Measure.LANGUAGE: HOLDS,
                        Measure.LENGTH: HOLDS,
                    },
                ),
                total=1.1,
                waited=34.2,
            ),
            total=0.9,
        ),
        entry(
            6,
            "Write a limerick about a proxy.",
            reply("A proxy that lived in a rack\nSent every request there and back."),
            run(
                ours(
                    "",
                    finish_reason="length",
                    reasoning="A limerick has five lines, with the rhyme AABBA.",
                ),
                compared(
                    40.0,
                    by_chance=False,
                    checks={
                        Measure.NOT_EMPTY: fails(
                            "the answer is empty: all of its tokens went to reasoning"
                        ),
                        Measure.FINISH_REASON: fails("length instead of stop"),
                    },
                ),
                total=4.4,
                first=3.1,
            ),
            run(
                ours("A proxy that stood in the middle\nPlayed both of its ends like a fiddle."),
                compared(
                    checks={Measure.NOT_EMPTY: HOLDS, Measure.FINISH_REASON: HOLDS},
                    similarity=0.3,
                    by_chance=False,
                ),
                total=1.5,
                first=0.3,
            ),
            total=1.8,
            first=0.52,
        ),
        entry(
            7,
            "And then?",
            None,
            run(
                ours("Then it snows."), compared(by_chance=False, unmeasured=UNMEASURED), total=0.7
            ),
            run(ours("Then it snows."), compared(by_chance=False), total=0.7),
        ),
    ]


def hostile() -> Entry:
    """A call in which everything that can be chosen by others is hostile, and a key is in it."""
    text = f"{HOSTILE} {KEY}"
    both = reply(text, refusal=text, reasoning=text, form=text, model=text, finish_reason=text,
                 tool_calls=(ToolCall(name=text, arguments=text),))  # fmt: skip
    bad = Comparison(severity=200.0, reason=text, advice=text, checks={Measure.SERVED: fails(text)})
    error = ReplyError(status=500, code=text, message=text)
    made = entry(8, text, both, run(ours(error=error), bad, endpoint=text), system=text)
    call = RecordedCall(
        place=text, method=text, url=f"https://x/{text}", headers=((text, text),),
        body=text.encode("utf-8", "surrogatepass"), answer=made.call.answer, problem=text,
    )  # fmt: skip
    wish = Wish(operation=None, model=text, problem=text, messages=made.wish.messages)
    return Entry(call=call, wish=wish, provider=both, runs=made.runs)


def many(number: int, *, size: int = 400, runs: int = 1) -> Iterator[Entry]:
    """So many calls, one after another, with texts of about `size` words."""
    chance = random.Random(7)
    words = [
        "snow",
        "coat",
        "proxy",
        "worker",
        "token",
        "model",
        "answer",
        "request",
        "Oslo",
        "error",
    ]
    kinds = (Operation.CHAT_COMPLETIONS, Operation.RESPONSES, Operation.MESSAGES)
    for place in range(number):
        said = " ".join(chance.choices(words, k=size))
        other = " ".join(chance.choices(words, k=20)) + said[80:]
        rare = " needle" if place == number // 2 else ""
        bad = chance.random() < 0.2
        check = fails("a third of the length") if bad else HOLDS
        comparison = compared(
            chance.random() * 10 if bad else 0.0, similarity=0.9,
            checks={Measure.LENGTH: check, Measure.LANGUAGE: HOLDS},
        )  # fmt: skip
        ttft = chance.lognormvariate(-0.8, 0.5)
        rest = chance.lognormvariate(1.1, 0.25)
        speeds = [ttft * (1 + 0.1 * number) for number in range(runs)]
        total = chance.lognormvariate(1.4, 0.3) + ttft
        question = f"{said[:300]} number {place}"
        yield entry(
            place,
            question,
            reply(said),
            *(run(ours(other + rare), comparison, total=at + rest, first=at) for at in speeds),
            operation=kinds[place % 3],
            total=total,
            first=1.6 * ttft,
        )


def rehearsal(collected: Collected, **more: Any) -> Rehearsal:
    """A rehearsal of what was collected."""
    known: dict[str, Any] = {
        "recording": "calls.flows", "began": BEGAN, "ended": BEGAN + 840,
        "endpoints": ("my-endpoint",), "runs": 2, "concurrency": 4, "busy": 611.5,
        "calls": len(collected) + 2, "rehearsed": len(collected), "totals": collected.totals,
        "speed": collected.speed, "differing": collected.differing, "costs": COSTS,
    }  # fmt: skip
    return Rehearsal(**(known | more))


COSTS = Costs(
    provider=Money(
        dollars=0.4182,
        assumptions=(
            ("gpt-4o: 31,204 prompt tokens at $2.50 a million, 34,021 completion"
            " tokens at $10.00 a million (OpenAI's list of 2026-11-02)."),
            "2 calls have no token count in the recording and are left out.",
        ),
    ),
    vast=Money(
        dollars=0.1731,
        assumptions=(
            "Workers of my-endpoint: 1 at $1.02 an hour (Vast's console, 2026-11-28).",
            ("Calls ran for 611.5 s in all, 4 at a time: an app that calls less often pays for"
            " idle workers, too."),
        ),
    ),
)  # fmt: skip
JUDGEMENT = Judgement(
    endpoint="the-judge",
    pairs=20,
    vast=7,
    provider=6,
    even=3,
    contradictory=3,
    failed=1,
    why_failed="its answer has no choice in it",
)
UNUSABLE = (
    Unusable(place="flow 12", why="the file is cut here: the call is not whole"),
    Unusable(place="flow 9", why="its previous_response_id is not in the recording"),
)


def collected(entries: Iterable[Entry] | Sequence[Entry]) -> Collected:
    """What a report shows of them. Close it."""
    all_of_them = Collected()
    for each in entries:
        all_of_them.add(each)
    return all_of_them
