"""Images and audio of answers, saved as files."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.http import Headers, HTTPFlow
from mitmproxy.test import tflow, tutils

from vast_intercept.intercept.saved_media import _media_in, save_media

MEDIA = Path(__file__).parents[1] / "openai_api" / "media_files"
PNG, MP3 = ((MEDIA / name).read_bytes() for name in ("picture.png", "tone.mp3"))


def flow_with(content: bytes, kind: str) -> HTTPFlow:
    headers = Headers(content_type=kind)
    return tflow.tflow(resp=tutils.tresp(content=content, headers=headers))


def test_each_picture_is_a_file_of_its_own(tmp_path: Path) -> None:
    pictures = [base64.b64encode(each).decode() for each in (PNG, b"something else")]
    data: list[Any] = [{"b64_json": each} for each in pictures]
    data += [{"url": "https://example.com"}, {"b64_json": 7}, {"b64_json": "no base64"}]
    flow = flow_with(json.dumps({"created": 1, "data": data}).encode(), "application/json")
    saved = save_media(flow, tmp_path)
    assert [path.name for path in saved] == [f"{flow.id[:8]}-0.png", f"{flow.id[:8]}-1.bin"]
    assert [path.read_bytes() for path in saved] == [PNG, b"something else"]


@pytest.mark.parametrize(
    ("content", "kind", "suffix"), [(MP3, "audio/mpeg", ".mp3"), (b"\0\1", "audio/pcm", ".bin")]
)
def test_a_sound_is_saved_as_it_came(
    content: bytes, kind: str, suffix: str, tmp_path: Path
) -> None:
    [path] = save_media(flow_with(content, kind), tmp_path)
    assert (path.suffix, path.read_bytes()) == (suffix, content)


ANYTHING = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["data", "b64_json"]), inner),
).map(lambda value: json.dumps(value).encode())


@given(st.binary() | ANYTHING)
def test_other_answers_have_none(content: bytes) -> None:
    assert all(
        isinstance(each, bytes) for each in _media_in(flow_with(content, "application/json"))
    )


def test_a_flow_without_an_answer_has_none(tmp_path: Path) -> None:
    assert save_media(tflow.tflow(), tmp_path) == []


@pytest.mark.parametrize("place", ["../up", "{folder}/up", "a/b", "..", "a\0b", "ä\n"])
def test_no_id_of_a_file_that_was_loaded_leads_out_of_the_folder(
    place: str, tmp_path: Path
) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    flow = flow_with(MP3, "audio/mpeg")
    flow.id = place.format(folder="/tmp")  # noqa: S108  (nothing is written there)
    [path] = save_media(flow, folder)
    assert path.resolve().parent == folder
    assert list(folder.iterdir()) == [path]
