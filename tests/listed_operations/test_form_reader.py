import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.listed_operations.form import UploadedForm, as_form
from vast_intercept.listed_operations.form_reader import FormReader
from vast_intercept.openai_api.errors import ApiError

from .uploads import BOUNDARY, CONTENT_TYPE, done, field, file, form

MIB = 1024 * 1024
FILES = {"file": 1, "image[]": 16}
GOOD = form(field("model", "m"), file(b"RIFF"))


def parsed(body: bytes, size: int = 0, content_type: str = CONTENT_TYPE) -> UploadedForm:
    reader = FormReader(content_type, FILES)
    for at in range(0, len(body), size or len(body) or 1):
        done(reader.feed(body[at : at + (size or len(body))]))
    return reader.end()


def refusal(body: bytes, content_type: str = CONTENT_TYPE) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parsed(body, content_type=content_type)
    return caught.value


NAMES = st.text(st.characters(codec="utf-8", exclude_characters='"\r\n%\\\0'), min_size=1)
# Some data looks like what divides the parts.
DATA = st.lists(
    st.binary() | st.sampled_from([b"\r\n--", b"\r\n\r\n", b"--" + BOUNDARY.encode(), b"\r"])
).map(b"".join)


@given(
    st.lists(st.tuples(NAMES.filter(lambda name: name not in FILES), DATA), max_size=5),
    DATA,
    st.integers(1, 60),
)
def test_parts_do_not_depend_on_how_the_body_is_cut(
    fields: list[tuple[str, bytes]], data: bytes, size: int
) -> None:
    divider = b"\r\n--" + BOUNDARY.encode()
    parts = [field(name, "") + value for name, value in fields] + [file(data)]
    if any(divider in b"\r\n" + value for _, value in [*fields, ("file", data)]):
        return
    found = parsed(form(*parts), size)
    assert [(part.name, bytes(found.data(part))) for part in found.parts] == [
        *fields,
        ("file", data),
    ]


@given(
    st.binary(max_size=300) | st.integers(0, len(GOOD)).map(lambda at: GOOD[:at]), st.integers(1, 9)
)
def test_what_is_no_form_is_refused_however_it_is_cut(body: bytes, size: int) -> None:
    if body in {GOOD, GOOD[:-1], GOOD[:-2]}:  # all but the last end of line
        assert len(parsed(body, size).parts) == 2
        return
    with pytest.raises(ApiError) as caught:
        parsed(body, size)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/form-data; boundary="a-boundary"',
        "Multipart/Form-Data;boundary=a-boundary; charset=utf-8",
    ],
)
def test_a_content_type_may_be_written_in_other_ways(content_type: str) -> None:
    assert len(parsed(GOOD, content_type=content_type).parts) == 2


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/mixed; boundary=a-boundary",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 71,
        'multipart/form-data; boundary="a\\"b"',
        'multipart/form-data; boundary="ü"',
    ],
)
def test_another_content_type_is_refused_before_any_byte(content_type: str) -> None:
    with pytest.raises(ApiError) as caught:
        FormReader(content_type, FILES)
    assert (caught.value.status, caught.value.code) == (400, "invalid_content_type")


def test_a_boundary_may_have_70_characters() -> None:
    boundary = "x" * 70
    body = form(field("model", "m"), boundary=boundary)
    assert parsed(body, content_type=f"multipart/form-data; boundary={boundary}").texts() == {
        "model": ["m"]
    }


TWO = form(file(b"1"), file(b"2"))
UNNAMED = b"Content-Disposition: form-data\r\n\r\nx"
REFUSED = {
    "no bytes": (b"", 400, "invalid_request", None),
    "no form": (b'{"file": "a.wav", "model": "whisper-1"}', 400, "invalid_request", None),
    "another boundary": (form(field("a", "b"), boundary="other"), 400, "invalid_request", None),
    "text before": (b"text\r\n" + GOOD, 400, "invalid_request", None),
    "cut in a file": (GOOD[:-20], 400, "invalid_request", "file"),
    "cut before the last boundary": (GOOD[:-18], 400, "invalid_request", "file"),
    "cut in a head": (form()[:-4] + b"\r\nContent-Dispo", 400, "invalid_request", None),
    "two files": (TWO, 400, "invalid_value", "file"),
    "too many images": (form(*[file(b"1", field="image[]")] * 17), 400, "invalid_value", "image[]"),
    "a file in a field": (form(file(b"1", field="model")), 400, "unsupported_parameter", "model"),
    "no name": (form(UNNAMED), 400, "invalid_request", None),
    "an empty name": (form(field("", "x")), 400, "invalid_request", None),
    "no disposition": (form(b"Content-Type: audio/wav\r\n\r\nx"), 400, "invalid_request", None),
    "another disposition": (form(b"Content-Disposition: a\r\n\r\nx"), 400, "invalid_request", None),
    "bare line feeds": (GOOD.replace(b"\r\n", b"\n"), 400, "invalid_request", None),
    "a head without an end": (
        form()[:-4] + b"\r\n" + b"x" * 9_000,
        400,
        "request_too_complex",
        None,
    ),
    "headers": (form(b"a: b\r\n" * 9 + field("a", "b")), 400, "request_too_complex", None),
    "fields": (form(*[field("a", "b")] * 101), 400, "request_too_complex", None),
    "a long field": (form(field("prompt", "x" * 140_000)), 413, "request_too_large", "prompt"),
    "long fields": (form(*[field("a", "x" * 100_000)] * 11), 413, "request_too_large", None),
    "a large file": (form(file(b"x" * (25 * MIB + 1))), 413, "request_too_large", "file"),
    "large files": (
        form(*[file(b"x" * 24 * MIB, field="image[]")] * 3),
        413,
        "request_too_large",
        None,
    ),
}


@pytest.mark.parametrize(("body", "status", "code", "param"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refusal_says_what_to_do(body: bytes, status: int, code: str, param: str | None) -> None:
    error = refusal(body)
    assert (error.status, error.code, error.param) == (status, code, param)
    assert re.search(r"[Ss]end|Let the|must|needs|go into", error.message), error.message


def test_a_file_may_have_exactly_the_limit() -> None:
    found = parsed(form(file(b"x" * 25 * MIB)))
    assert len(found.data(found.parts[0])) == 25 * MIB


def test_a_large_file_is_refused_before_more_than_the_limit_is_held() -> None:
    reader = FormReader(CONTENT_TYPE, FILES)
    done(reader.feed(form(file(b""))[: -len(BOUNDARY) - 8]))
    fed = itertools.takewhile(lambda _: len(reader.body) < 60 * MIB, itertools.repeat(b"x" * MIB))
    with pytest.raises(ApiError):
        done(step for piece in fed for step in reader.feed(piece))
    assert len(reader.body) < 25 * MIB + 200_000


def test_a_field_that_is_not_utf_8_is_refused_by_its_name() -> None:
    found = parsed(form(field("language", "") + b"\xff"))
    with pytest.raises(ApiError) as caught:
        found.texts()
    assert (caught.value.status, caught.value.param) == (400, "language")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b'filename="a \xc3\xbc.mp3"', "a ü.mp3"),
        (b"filename*=UTF-8''a%20%C3%BC.mp3", "a ü.mp3"),
        (b"filename=a.mp3", "a.mp3"),
        (b'filename="a%22.mp3"', 'a".mp3'),
        (b'filename=""', ""),
    ],
)
def test_a_file_name_is_read_as_clients_write_it(head: bytes, name: str) -> None:
    part = parsed(form(b'Content-Disposition: form-data; name="file"; %b\r\n\r\nx' % head)).parts[0]
    assert part.filename == name


PIECES = {
    "a file": form(file(b"x" * 8 * MIB)),
    "ends of line": form(file(b"\r\n" * 4 * MIB)),
    "what nearly is the boundary": form(file(b"\r\n--a-boundar" * 600_000)),
    "a boundary that repeats": None,
    "parts": form(*[field("a", "")] * 99),
    "very many parts": form(*[field("a", "")] * 200_000),
    "headers of a byte": form(b"a:b\r\n" * 1_000_000),
}


@pytest.mark.parametrize("body", PIECES.values(), ids=PIECES.keys())
def test_no_step_takes_long(body: bytes | None) -> None:
    content_type = CONTENT_TYPE
    if body is None:
        boundary = "-" * 69 + "x"
        content_type = f"multipart/form-data; boundary={boundary}"
        body = form(file(b"\r\n" + b"-" * 8 * MIB), boundary=boundary)
    longest = 0.0
    try:
        steps = FormReader(content_type, FILES).feed(body)
        while True:
            begun = time.thread_time()
            next(steps)
            longest = max(longest, time.thread_time() - begun)
    except (StopIteration, ApiError):
        longest = max(longest, time.thread_time() - begun)
    assert longest < 0.05


def test_a_form_for_a_server_is_read_as_the_app_sent_it() -> None:
    made = as_form(BOUNDARY.encode(), {'a"\r\n': ["b", "ü"]}, [])
    found = parsed(b"".join(made.pieces), content_type=made.content_type)
    assert found.texts() == {'a"\r\n': ["b", "ü"]}


@pytest.mark.parametrize("junk", ['\\"', "\\\\", "a", ";a=", " "])
def test_a_very_long_content_type_is_refused_at_once(junk: str) -> None:
    content_type = 'multipart/form-data; boundary="' + junk * 500_000 + '"'
    begun = time.thread_time()
    with pytest.raises(ApiError) as caught:
        FormReader(content_type, {})
    assert time.thread_time() - begun < 0.005
    assert caught.value.code == "invalid_content_type"
