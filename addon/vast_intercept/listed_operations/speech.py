"""Text to speech (`audio/speech`): a text in JSON becomes audio, which comes in bytes or in events.

https://platform.openai.com/docs/api-reference/audio/createSpeech. Fields that OpenAI does not have,
such as `ref_audio` of vLLM-Omni, go to the worker as they are.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from ..openai_api.amounts import Amounts
from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import bad_request
from ..openai_api.members import DECODE_ERRORS, NULL
from ..openai_api.outline import Buffer, Outline
from ..openai_api.reading import decode, first_byte
from ..openai_api.sse import EVENT_STREAM
from .costs import speech_cost
from .json_body import JsonBody, read_json_body
from .json_call import JsonCall
from .listed_call import JSON

_FORMATS = ("mp3", "opus", "aac", "flac", "wav", "pcm")
_STREAM_FORMATS = ("sse", "audio")
# OpenAI's default. vLLM-Omni's is WAV, and it streams WAV and PCM alone (FACTS V29).
_DEFAULT_FORMAT = "mp3"

# Bytes of the text as it stands in the JSON. A million characters are spoken for 18 hours.
_LONGEST_INPUT = 1024 * 1024

_NO_TEXT = msgspec.Raw(b'""')


class _Voice(msgspec.Struct):
    id: str


class _Reference(msgspec.Struct):
    audio_path: msgspec.Raw = NULL


_text = msgspec.json.Decoder(str)
_flag_or_null = msgspec.json.Decoder(bool | None)
_voice = msgspec.json.Decoder(str | _Voice | None)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_references = msgspec.json.Decoder(str | _Reference | list[str | _Reference | None] | None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechCall(JsonCall):
    """A `ListedCall` whose answer is audio. `as_events` says that it comes in events (SSE).

    It is None where the server may choose.
    """

    as_events: bool | None = False
    #: Of the audio, as a file's extension: the server's own where the app leaves it open.
    format: str = "mp3"

    def is_due(self, media_type: str) -> bool:
        """Whether an answer of this type is what was asked for."""
        if media_type == EVENT_STREAM:
            return self.as_events is not False
        return not self.as_events and media_type != JSON and not media_type.startswith("text/")


def read_speech(body: Buffer, made: Outline | None = None) -> SpeechCall:
    """Reads the body of a call for speech. Raises ApiError (400, 413) for what cannot be served.

    `made` is the outline of a large body.
    """
    read = read_json_body(body, made)
    characters = len(_input(read))
    decode(_voice, read.value("voice"), "voice")
    format_ = read.choice("response_format", _FORMATS)
    stream_format = read.choice("stream_format", _STREAM_FORMATS)
    stream = decode(_flag_or_null, read.value("stream"), "stream")
    values = {}
    if format_ is None and stream_format is None and not stream:
        format_ = _DEFAULT_FORMAT
        values["response_format"] = b'"%b"' % format_.encode()
    voices = _voices_to_imitate(read.members)
    return SpeechCall(
        model=read.text("model"),
        pieces=read.pieces(values),
        cost=speech_cost(characters, voices),
        amounts=Amounts(characters=characters),
        as_events=stream_format == "sse" if stream_format or not stream else None,
        format=format_ or "wav",
    )


def _input(read: JsonBody) -> str:
    """The text to speak. Long texts are shortened in an outline, so it is read from the body."""
    found: str = decode(_text, read.required("input"), "input")
    if not read.omitted("input"):
        return found
    whole = read.whole("input")
    if len(whole) > _LONGEST_INPUT:
        raise bad_request(
            f"The input is larger than {_LONGEST_INPUT:,} bytes. No model speaks that: send less in"
            " one call.",
            ErrorCode.REQUEST_TOO_LARGE,
            "input",
            413,
        )
    return decode(_text, bytes(whole), "input")


def _voices_to_imitate(members: Mapping[str, msgspec.Raw]) -> int:
    """How many recordings of voices there are, where the worker looks for them.

    What is wrong with them is the worker's say. Entries that are no text are never decoded: they
    may hold anything.
    """
    return sum(_is_text(value) for value in _recordings(members))


def _recordings(members: Mapping[str, msgspec.Raw]) -> Iterator[msgspec.Raw | str | None]:
    for name in ("ref_audio", "ref_audio_2"):
        value = members.get(name, NULL)
        with contextlib.suppress(*DECODE_ERRORS):
            yield from [value] if first_byte(value) != b"[" else _raws.decode(value)
    with contextlib.suppress(*DECODE_ERRORS):
        references = _references.decode(members.get("references", NULL))
        for each in references if isinstance(references, list) else [references]:
            yield each.audio_path if isinstance(each, _Reference) else each


def _is_text(value: msgspec.Raw | str | None) -> bool:
    if isinstance(value, msgspec.Raw):
        return first_byte(value) == b'"' and value != _NO_TEXT
    return bool(value)
