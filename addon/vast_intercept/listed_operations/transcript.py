"""The answer to a transcription, in each of the formats that an app may ask for."""

from collections.abc import Generator
from enum import StrEnum
from math import isfinite

import msgspec

from ..bridges.chat_answers import answer_too_large
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, bad_gateway
from ..openai_api.limits import MAX_BRIDGED, MAX_MEMBERS
from ..openai_api.members import DECODE_ERRORS, NULL, UnreadObject, any_object
from ..openai_api.operations import Operation
from ..openai_api.outline import Buffer, NotJsonError, TooMuchStructureError, needs_outline, outline
from ..openai_api.reading import first_byte
from ..openai_api.usage import usage_of
from .listed_call import JSON, ListedAnswer, Steps
from .subtitles import Segment, srt, vtt

_TEXT = "text/plain; charset=utf-8"
_VTT = "text/vtt; charset=utf-8"

# An audio file of 25 MiB holds some thousand segments at most.
_MAX_SEGMENTS = 20_000
_MAX_VALUES = 200_000
# Characters. Nobody says as much in half a day, or within one segment.
_LONGEST_TEXT = 2 * 1024 * 1024
_LONGEST_SEGMENT = 64 * 1024
_SEGMENTS_AT_ONCE = 500
_LONGEST_NUMBER = 100  # bytes


class Format(StrEnum):
    """OpenAI's formats of a transcription (`response_format`)."""

    JSON = "json"
    TEXT = "text"
    SRT = "srt"
    VERBOSE_JSON = "verbose_json"
    VTT = "vtt"

    @property
    def needs_segments(self) -> bool:
        """Whether the model is asked for segments, with their times."""
        return self not in {Format.JSON, Format.TEXT}


class _Answer(msgspec.Struct):
    text: str
    duration: msgspec.Raw = NULL
    segments: msgspec.Raw = NULL


_answer = msgspec.json.Decoder(_Answer)
_objects = msgspec.json.Decoder(list[UnreadObject] | None)
_raws = msgspec.json.Decoder(list[msgspec.Raw] | None)
_number_or_text = msgspec.json.Decoder(float | str | None)
_segment = msgspec.json.Decoder(Segment)


def transcript(body: Buffer, format_: Format, operation: Operation) -> Steps[ListedAnswer]:
    """Makes the answer of vLLM's `json`, or `verbose_json` if the format needs segments.

    Raises ApiError (502) for what is neither.
    """
    yield from _check(body)
    try:
        answer = _answer.decode(body)
    except DECODE_ERRORS as error:
        raise _bad_answer(str(error)) from None
    if len(answer.text) > _LONGEST_TEXT:
        raise answer_too_large()
    match format_:
        case Format.JSON:
            return ListedAnswer(_as_openai_has_it(body, answer, None), JSON, usage=usage_of(body))
        case Format.VERBOSE_JSON:
            return ListedAnswer(_as_openai_has_it(body, answer, operation), JSON)
        case Format.TEXT:
            return ListedAnswer(f"{answer.text.strip()}\n".encode(), _TEXT, usage=usage_of(body))
    segments = yield from _segments(answer)
    made = yield from vtt(segments) if format_ is Format.VTT else srt(segments)
    return ListedAnswer(made.encode(), _VTT if format_ is Format.VTT else _TEXT)


def _check(body: Buffer) -> Steps[None]:
    """Raises ApiError (502) for what would take long to read."""
    if len(body) > MAX_BRIDGED:
        raise answer_too_large()
    if not needs_outline(body):
        return
    try:
        made = yield from outline(body)
    except NotJsonError as error:
        raise _bad_answer(str(error)) from None
    except TooMuchStructureError:
        raise _too_much() from None
    if sum(made.values) > _MAX_VALUES or made.values[1] > MAX_MEMBERS:
        raise _too_much()


def _segments(answer: _Answer) -> Generator[None, None, list[Segment]]:
    found: list[Segment] = []
    try:
        # A long list of numbers counts little in an outline, and takes long to split.
        yield
        _objects.decode(answer.segments)
        yield
        raws = _raws.decode(answer.segments) or []
        if len(raws) > _MAX_SEGMENTS:
            raise _too_much()
        yield
        for index, raw in enumerate(raws, 1):
            segment = _segment.decode(raw)
            if len(segment.text) > _LONGEST_SEGMENT:
                raise answer_too_large()
            found.append(segment)
            if index % _SEGMENTS_AT_ONCE == 0:
                yield
    except DECODE_ERRORS as error:
        raise _bad_answer(str(error)) from None
    if not found and answer.text.strip():
        if len(answer.text) > _LONGEST_SEGMENT:
            raise answer_too_large()
        found.append(Segment(0.0, _seconds(answer), answer.text))
    return found


def _as_openai_has_it(body: Buffer, answer: _Answer, operation: Operation | None) -> Buffer:
    """The answer without a space before its text; a verbose one, which has an operation, as well
    with a `task`, and a `duration` that is a number.

    Whisper begins with a space. vLLM leaves the task out, and makes a text of the duration (FACTS
    V27).
    """
    text = answer.text.strip()
    if operation is None and text == answer.text:
        return body
    members = any_object.decode(body)
    members["text"] = _json(text)
    if operation is None:
        return msgspec.json.encode(members)
    if first_byte(answer.duration) == b'"' and (seconds := _seconds(answer)) is not None:
        members["duration"] = _json(seconds)
    task = "translate" if operation is Operation.AUDIO_TRANSLATIONS else "transcribe"
    return msgspec.json.encode({"task": task, **members})


def _json(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _seconds(answer: _Answer) -> float | None:
    """The duration, which may be a text; None if it is no finite number."""
    if len(answer.duration) > _LONGEST_NUMBER:
        return None
    try:
        said = _number_or_text.decode(answer.duration)
        seconds: float = msgspec.convert(said, float, strict=False)
    except DECODE_ERRORS:
        return None
    return seconds if isfinite(seconds) else None


def _bad_answer(why: str) -> ApiError:
    return bad_gateway(f"The answer is no transcription: {why}.", ErrorCode.BAD_UPSTREAM_ANSWER)


def _too_much() -> ApiError:
    return bad_gateway(
        f"The transcription holds more than {_MAX_VALUES:,} values, or {_MAX_SEGMENTS:,} segments."
        " Send shorter recordings.",
        ErrorCode.ANSWER_TOO_LARGE,
        retry=False,
    )
