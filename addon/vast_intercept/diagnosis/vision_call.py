"""Step: a chat call with an image, if there is an endpoint whose model sees images."""

import base64

from ..config import Config
from ..openai_api.error_codes import ErrorCode
from ..openai_api.modalities import Modality
from .app_calls import read_completion
from .calling import MAX_TOKENS, Ask, another_configuration, answer_to
from .findings import Finding, NotApplicable, one_line
from .samples import red_square
from .subject import Subject
from .target import model_for

# Pixels: models that see refuse images of less than some 30.
_SIDE = 64


def sees(config: Config, endpoint: str) -> bool:
    """Whether the endpoint's model is said to see images."""
    return Modality.IMAGE in config.known_endpoint(endpoint).modalities


def vision_call(subject: Subject) -> Finding:
    """Makes a chat call with an image. Raises Problem and NotApplicable."""
    config = subject.config
    model = model_for(config, lambda destination: sees(config, destination.name))
    if not any(sees(config, each.name) for each in config.destinations_for(model)):
        seeing = " or ".join(each for each in config.endpoints() if sees(config, each))
        raise NotApplicable(f"neither vast.endpoint nor a route leads to {seeing}")
    coded = base64.b64encode(red_square(_SIDE)).decode()
    content = [
        {"type": "text", "text": "Answer with one word: which colour is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{coded}"}},
    ]
    body = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": MAX_TOKENS,
    }
    advice: dict[str, str] = {
        ErrorCode.UNSUPPORTED_CONTENT: another_configuration(subject, "takes images")
    }
    with answer_to(subject, Ask(subject.chat_url, body, advice=advice)) as (answer, pieces):
        completion = read_completion(answer, pieces)
        by = one_line(answer.headers.get("x-vast-endpoint", "Vast"))
    return Finding(f"a red square, seen as {one_line(completion.text, 60)!r}, by {by}")
