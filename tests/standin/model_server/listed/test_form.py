"""Forms: read as FastAPI reads them, byte for byte."""

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.standin.answering import Refusal
from vast_intercept.standin.model_server.listed.form import FormFile, read_form

TYPE = "multipart/form-data; boundary=xx"


@given(st.binary())
def test_a_files_bytes_are_left_as_they_are(data: bytes) -> None:
    head = b'--xx\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n'
    body = head + b"content-type: audio/wav\r\n\r\n" + data + b"\r\n--xx--\r\n"
    if b"\r\n--xx" in data:
        return
    assert read_form(TYPE, body).files == {"file": [FormFile("a.wav", "audio/wav", data)]}


async def test_names_may_be_repeated() -> None:
    written = aiohttp.FormData(default_to_multipart=True)
    for value in ("word", "segm\u00e9nt"):
        written.add_field("timestamp_granularities[]", value)
    for name in ("a.png", "b.png"):
        written.add_field("image[]", name.encode(), filename=name, content_type="image/png")
    payload = written()
    form = read_form(payload.headers["content-type"], await payload.as_bytes())
    assert form.texts == {"timestamp_granularities[]": ["word", "segm\u00e9nt"]}
    assert [file.name for file in form.files["image[]"]] == ["a.png", "b.png"]
    assert [file.data for file in form.files["image[]"]] == [b"a.png", b"b.png"]


def test_what_is_no_form_has_no_fields() -> None:
    form = read_form("application/json", b'{"file": "x"}')
    assert (form.texts, form.files) == ({}, {})


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"--xx--"),
        (TYPE, b""),
        (TYPE, b"before\r\n--xx--\r\n"),
        (TYPE, b'--xx\r\ncontent-disposition: form-data; name="a"\r\n\r\ncut'),
        (TYPE, b'--xx\r\ncontent-disposition: form-data; name="a"\r\n--xx--'),
        (TYPE, b"--xx\r\ncontent-disposition: form-data\r\n\r\nunnamed\r\n--xx--"),
        (TYPE, b'--xx\r\ncontent-disposition: form-data; name="a"\r\n\r\n\xff\r\n--xx--'),
        (TYPE, b"--xx\r\ncontent-disposition: \xff\r\n\r\n\r\n--xx--"),
    ],
)
def test_broken_ones_are_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        read_form(content_type, body)
    assert refused.value.status == 400
