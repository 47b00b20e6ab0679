"""Transcriptions and translations of an audio file (`audio/transcriptions`, `audio/translations`).

https://platform.openai.com/docs/api-reference/audio/createTranscription. The worker is asked for
`json` or `verbose_json` alone: the other formats, which vLLM does not serve, are made of these.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ..bridges.bridge import AppEvents
from ..openai_api.amounts import Amounts
from ..openai_api.operations import Operation
from ..openai_api.outline import Buffer
from ..openai_api.reading import invalid_value, missing
from ..openai_api.rewriting import Piece
from .audio_length import seconds_as_counted, seconds_of
from .costs import audio_cost
from .file_types import AUDIO, file_of
from .form import File, UploadedForm, as_form, as_json
from .form_values import flag, json_values, last, without
from .listed_call import Form, ListedAnswer, ListedCall, Steps
from .transcript import Format, transcript
from .transcript_events import TranscriptEvents

#: The parts that are files, and how many may have each name.
FILES: Mapping[str, int] = {"file": 1}

# Fields that the worker takes for something else than a field of the form (FACTS V26).
_RESERVED = frozenset({"filename", "input"})

_STREAMED = frozenset({Format.JSON, Format.TEXT})


@dataclass(frozen=True, slots=True, kw_only=True)
class _AudioCall:
    """What each `ListedCall` for the text of an audio file has."""

    model: str | None
    left_out: tuple[str, ...]
    cost: float
    amounts: Amounts
    #: What the app gets.
    format: Format
    operation: Operation
    file: File
    #: What the model gets besides the file.
    fields: Mapping[str, list[str]]
    boundary: bytes

    def for_worker(self) -> Steps[tuple[Piece, ...]]:
        """Makes the JSON that a worker gets, with the file as base64."""
        fields = json_values(self.fields)
        fields["filename"] = self.file.name
        return (yield from as_json(fields, {"file": self.file.data}))

    def for_server(self) -> Form | None:
        """Returns the form that a server gets."""
        return as_form(self.boundary, self.fields, [self.file])


class TranscriptionCall(_AudioCall):
    """A `WholeCall` for all of the text of an audio file, perhaps with its times."""

    __slots__ = ()

    def answer(self, body: Buffer) -> Steps[ListedAnswer]:
        """Makes the format that the app asked for. Raises ApiError (502) for what has no text."""
        return (yield from transcript(body, self.format, self.operation))


class StreamedTranscriptionCall(_AudioCall):
    """An `EventsCall` for the text of an audio file, piece by piece."""

    __slots__ = ()

    def events(self) -> AppEvents:
        """Returns what makes the events of the text."""
        return TranscriptEvents()


def read_transcription(form: UploadedForm, operation: Operation) -> ListedCall:
    """Reads the form of a transcription or a translation. Raises ApiError (400)."""
    part = next((part for part in form.parts if part.is_file), None)
    if part is None:
        raise missing("file")
    file = file_of(form, part, AUDIO)
    fields = form.texts()
    model = last(fields, "model") or None
    format_ = _format(last(fields, "response_format"))
    stream = flag(fields, "stream")
    fields, left_out = without(fields, _RESERVED, "model", "response_format", "stream")
    if stream and (operation is not Operation.AUDIO_TRANSCRIPTIONS or format_ not in _STREAMED):
        # OpenAI ignores it as well where it does not stream.
        left_out += ("stream",)
        stream = False
    fields["response_format"] = ["verbose_json" if format_.needs_segments else "json"]
    if stream:
        fields |= {"stream": ["true"], "stream_include_usage": ["true"]}
    kind = StreamedTranscriptionCall if stream else TranscriptionCall
    return kind(
        model=model,
        left_out=left_out,
        cost=audio_cost(seconds_as_counted(file)),
        amounts=Amounts(audio_seconds=seconds_of(file), bytes=len(file.data)),
        format=format_,
        operation=operation,
        file=file,
        fields=fields,
        boundary=form.boundary,
    )


def _format(value: str) -> Format:
    try:
        return Format(value or "json")
    except ValueError:
        raise invalid_value("response_format", value, list(Format)) from None
