"""Reads `multipart/form-data`, as vLLM gets its uploads."""

from dataclasses import dataclass, field
from email.message import Message
from typing import Any

import msgspec

from ...answering import Refusal
from .. import refusals
from ..model_requests import AnyRequest


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file of a form."""

    name: str
    content_type: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """The texts and the files of a form. A name may have several of each."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, list[FormFile]] = field(default_factory=dict)

    def read[Kind: AnyRequest](self, kind: type[Kind]) -> Kind:
        """The texts as a request of that kind: of each name the last. Raises Refusal."""
        values: dict[str, Any] = {name: texts[-1] for name, texts in self.texts.items()}
        try:
            if "standin" in values:
                values["standin"] = msgspec.json.decode(values["standin"])
            return msgspec.convert(values, kind, strict=False)
        except msgspec.MsgspecError as error:
            given = f"<{len(values)} fields>"
            raise refusals.invalid("value_error", "body", str(error), given) from None

    def file(self, name: str) -> FormFile:
        """The one file of that name. Raises Refusal if there is none."""
        files = self.files.get(name)
        if not files:
            given = f"<{len(self.texts)} fields>"
            raise refusals.invalid("missing", f"body.{name}", "Field required", given)
        return files[-1]


def read_form(content_type: str, body: bytes) -> Form:
    """Reads a body of this content type. Raises Refusal for one that is broken.

    A body that is no form has no fields, as FastAPI, on which vLLM is built, has it.
    """
    head = Message()
    head["content-type"] = content_type
    if head.get_content_type() != "multipart/form-data":
        return Form()
    boundary = head.get_boundary()
    if not boundary:
        raise Refusal(400, {"detail": "Missing boundary in multipart."})
    # The first delimiter may stand at the very beginning, without a line before it.
    preamble, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if preamble or not parts or parts.pop().rstrip(b"\r\n") != b"--":
        raise refusals.unreadable()
    form = Form()
    for part in parts:
        _add(form, part)
    return form


def _add(form: Form, part: bytes) -> None:
    lines, found, data = part.partition(b"\r\n\r\n")
    head = Message()
    try:
        for line in lines.decode().strip().split("\r\n"):
            name, _, value = line.partition(":")
            head[name] = value.strip()
        field_name = head.get_param("name", header="content-disposition")
        if not (found and isinstance(field_name, str)):
            raise refusals.unreadable()
        filename = head.get_filename()
        if filename is None:
            form.texts.setdefault(field_name, []).append(data.decode())
            return
    except UnicodeDecodeError:
        raise refusals.unreadable() from None
    file = FormFile(filename, head.get_content_type(), data)
    form.files.setdefault(field_name, []).append(file)
