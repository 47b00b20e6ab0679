"""What is answered to an app that lists models, or looks one up, in its provider's shape. Pure."""

import msgspec

from ..bridges.messages.models import model_info, model_infos
from ..config import Config
from ..openai_api.models import model_list, model_not_found, model_object
from ..openai_api.operations import Api, ApiCall
from ..relay.work import AnswerHere, Refuse
from ..secret import mask_shapes


def answer_models(
    config: Config, call: ApiCall, endpoint: str | None, api: Api
) -> AnswerHere | Refuse:
    """The answer to `GET /models` or `GET /models/{id}`; a refusal (404) of an unknown model.

    `endpoint` is Vast's, if the path names one: any model is known there. `api` is that of the
    provider.
    """
    of_anthropic = api == "anthropic"
    if call.model is None:
        listed = config.listed_models()
        body = model_infos(listed) if of_anthropic else model_list(listed)
    elif endpoint or config.knows_model(call.model):
        shown = mask_shapes(call.model)
        body = msgspec.json.encode(model_info(shown) if of_anthropic else model_object(shown))
    else:
        return Refuse(model_not_found(call.model), call.operation)
    return AnswerHere(200, body, {"content-type": "application/json"}, call.operation)
