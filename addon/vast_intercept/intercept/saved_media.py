"""The images and audio of answers as files: mitmweb shows no image that is in JSON."""

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from mitmproxy import http

from ..openai_api.media import media_of
from ..openai_api.members import DECODE_ERRORS

# Of a flow's id, which is enough to tell those in a list apart.
_ID = 8
# What an id is made of. A flow that was loaded from a file may have anything for an id, such as the
# way to another folder.
_NOT_IN_IDS = re.compile(r"[^0-9a-zA-Z-]")


class _Image(msgspec.Struct):
    b64_json: Any = None


class _Images(msgspec.Struct):
    data: list[_Image]


_images = msgspec.json.Decoder(_Images)


def save_media(flow: http.HTTPFlow, folder: Path) -> list[Path]:
    """Writes each image and audio of a flow's answer to a file, and returns their paths.

    A file's name is the flow's id and a number: nothing in it is the app's or the server's choice.
    """
    paths = []
    begin = _NOT_IN_IDS.sub("_", flow.id[:_ID])
    for number, data in enumerate(_media_in(flow)):
        media = media_of(data)
        suffix = media.format.lower() if media else "bin"
        path = folder / f"{begin}-{number}.{suffix}"
        path.write_bytes(data)
        paths.append(path)
    return paths


def _media_in(flow: http.HTTPFlow) -> Iterator[bytes]:
    response = flow.response
    body = response.get_content(strict=False) if response else None
    if not response or not body:
        return
    if response.headers.get("content-type", "").startswith(("audio/", "image/")):
        yield body
        return
    try:
        images = _images.decode(body).data
    except DECODE_ERRORS:
        return
    for each in images:
        if isinstance(each.b64_json, str):
            try:
                yield base64.b64decode(each.b64_json, validate=True)
            except (binascii.Error, ValueError):
                continue
