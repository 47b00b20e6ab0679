"""Does with OpenAI's package what needs no chat, and prints each result as JSON on a line.

Its arguments are the files of a sound and of a picture.
"""

import base64
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai

SOUND, PICTURE = map(Path, sys.argv[1:])
TEXTS = ["a cat on a sofa", "a train at nine"]
client = openai.OpenAI(max_retries=0)


def embeddings() -> Any:
    """As the package asks by default, which is in base64, and as numbers."""
    model = "text-embedding-3-small"
    default = client.embeddings.create(model=model, input=TEXTS)
    floats = client.embeddings.create(model=model, input=TEXTS, encoding_format="float")
    assert default.data[0].embedding != default.data[1].embedding
    return [
        [each.embedding for each in default.data] == [each.embedding for each in floats.data],
        [(each.index, len(each.embedding)) for each in default.data],
    ]


def short_embeddings() -> Any:
    answer = client.embeddings.create(
        model="text-embedding-3-small", input="a cat", dimensions=64, encoding_format="float"
    )
    return [len(each.embedding) for each in answer.data]


def speech() -> Any:
    """To a file, as it comes, in the formats of the default and of WAV."""
    begun = []
    for told in ({}, {"response_format": "wav"}):
        path = Path("speech")
        with client.audio.speech.with_streaming_response.create(
            model="gpt-4o-mini-tts", voice="alloy", input="hello there", **told
        ) as response:
            response.stream_to_file(path)
        begun.append([path.read_bytes()[:4].hex(), path.stat().st_size > 1000])
    return begun


def transcriptions() -> Any:
    texts = {}
    for name in ("json", "text", "srt", "vtt", "verbose_json"):
        with SOUND.open("rb") as file:
            answer: Any = client.audio.transcriptions.create(
                model="whisper-1", file=file, response_format=name
            )
        if name == "verbose_json":
            texts[name] = [answer.text, answer.duration, answer.segments[0].text]
        else:
            texts[name] = answer if isinstance(answer, str) else answer.text
    return texts


def streamed_transcription() -> Any:
    """Piece by piece, and once more as a whole at the end."""
    with SOUND.open("rb") as file:
        stream = client.audio.transcriptions.create(
            model="gpt-4o-mini-transcribe", file=file, stream=True
        )
        events = list(stream)
    pieces = [event.delta for event in events if event.type == "transcript.text.delta"]
    last: Any = events[-1]
    return [len(pieces) > 1, "".join(pieces) == last.text, last.text]


def translation() -> Any:
    with SOUND.open("rb") as file:
        return client.audio.translations.create(model="whisper-1", file=file).text


def image() -> Any:
    """As data, and by a URL, which has the data in itself."""
    ask: Any = {"model": "dall-e-3", "prompt": "a red square", "size": "256x256"}
    data = client.images.generate(**ask, response_format="b64_json").data[0].b64_json
    url = client.images.generate(**ask, response_format="url").data[0].url
    kind, _, linked = url.partition(",")
    return [kind, linked == data, base64.b64decode(data)[:8].hex()]


def image_edit() -> Any:
    with PICTURE.open("rb") as picture, PICTURE.open("rb") as mask:
        answer = client.images.edit(
            model="gpt-image-1", image=picture, mask=mask, prompt="now a blue one", size="256x256"
        )
    file = base64.b64decode(answer.data[0].b64_json)
    assert b"now a blue one" in file
    return [file[:8].hex(), PICTURE.name.encode() in file]


def pictures() -> Any:
    """In a chat and in a response, shown to a model that sees."""
    url = f"data:image/png;base64,{base64.b64encode(PICTURE.read_bytes()).decode()}"
    chat: Any = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    answer = client.chat.completions.create(
        model="gpt-4o", messages=[{"role": "user", "content": chat}]
    )
    parts: Any = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": url, "detail": "auto"},
    ]
    response = client.responses.create(
        model="gpt-4o", input=[{"role": "user", "content": parts}], store=False
    )
    return [answer.choices[0].message.content, response.output_text]


def unserved() -> Any:
    """What no endpoint serves is refused as ever."""
    try:
        client.moderations.create(input="hello there")
    except openai.NotFoundError as error:
        return error.code


TRIED: list[Callable[[], Any]] = [
    embeddings,
    short_embeddings,
    speech,
    transcriptions,
    streamed_transcription,
    translation,
    image,
    image_edit,
    pictures,
    unserved,
]
for each in TRIED:
    print(json.dumps([each.__name__, each()]), flush=True)
