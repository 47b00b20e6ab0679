"""Edits of images (`images/edits`): one or several files, perhaps a mask, and a prompt.

https://platform.openai.com/docs/api-reference/images/createEdit
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ..openai_api.amounts import Amounts
from ..openai_api.limits import MAX_FILES
from ..openai_api.outline import Buffer
from ..openai_api.reading import missing, not_served
from ..openai_api.rewriting import Piece
from .costs import images_cost
from .file_types import IMAGES, file_of
from .form import File, UploadedForm, as_form, as_json
from .form_values import flag, json_values, last, without
from .images import asks_for_url, image_answer
from .listed_call import Form, ListedAnswer, Steps

_IMAGE, _IMAGES, _MASK = "image", "image[]", "mask"

#: The parts that are files, and how many may have each name.
FILES: Mapping[str, int] = {_IMAGE: MAX_FILES, _IMAGES: MAX_FILES, _MASK: 1}

# Fields that the worker takes for something else than a field of the form (FACTS V26).
_RESERVED = frozenset({"filename", "mask_filename", "input"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageEdit:
    """A `ListedCall` for images that are made of others."""

    model: str | None
    left_out: tuple[str, ...]
    cost: float
    amounts: Amounts
    as_url: bool
    images: list[File]
    mask: File | None
    #: What the model gets besides the files.
    fields: Mapping[str, list[str]]
    boundary: bytes

    def for_worker(self) -> Steps[tuple[Piece, ...]]:
        """Makes the JSON that a worker gets, with the files as base64."""
        fields = json_values(self.fields)
        fields["filename"] = [image.name for image in self.images]
        files: dict[str, memoryview | list[memoryview]] = {
            _IMAGE: [image.data for image in self.images]
        }
        if self.mask:
            fields["mask_filename"] = self.mask.name
            files[_MASK] = self.mask.data
        return (yield from as_json(fields, files))

    def for_server(self) -> Form | None:
        """Returns the form that a server gets."""
        masks = [self.mask] if self.mask else []
        return as_form(self.boundary, self.fields, [*self.images, *masks])

    def answer(self, body: Buffer) -> Steps[ListedAnswer]:
        """Makes URLs of the images if the app asked for these. Raises ApiError (502)."""
        return (yield from image_answer(body, as_url=self.as_url))


def read_image_edit(form: UploadedForm) -> ImageEdit:
    """Reads the form of an edit. Raises ApiError (400)."""
    files = [file_of(form, part, IMAGES) for part in form.parts if part.is_file]
    images = [file for file in files if file.field != _MASK]
    if not images:
        raise missing(_IMAGE)
    fields = form.texts()
    if not last(fields, "prompt"):
        raise missing("prompt")
    if flag(fields, "stream"):
        raise not_served(
            "The parameter 'stream' asks for images while they are made, which Vast's models do not"
            " send. Leave it out.",
            "stream",
        )
    model = last(fields, "model") or None
    as_url = asks_for_url(last(fields, "response_format") or None, model, fields)
    fields, left_out = without(fields, _RESERVED, "model", "response_format", "stream")
    fields["response_format"] = ["b64_json"]
    # What means the same as nothing, and is refused (FACTS V24).
    for name in ("size", "n"):
        if last(fields, name) in {"", "auto"}:
            fields.pop(name, None)
    return ImageEdit(
        model=model,
        left_out=left_out,
        cost=images_cost(last(fields, "size"), last(fields, "n")),
        amounts=Amounts(images=len(images), bytes=sum(len(file.data) for file in files)),
        as_url=as_url,
        images=images,
        mask=next((file for file in files if file.field == _MASK), None),
        fields=fields,
        boundary=form.boundary,
    )
