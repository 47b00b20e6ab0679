"""Asks with LangChain as it was in 2023."""

import json
import sys

from langchain.callbacks.base import BaseCallbackHandler
from langchain.chat_models import ChatOpenAI
from langchain.schema import HumanMessage


class Printer(BaseCallbackHandler):
    """Prints each piece as it comes."""

    def on_llm_new_token(self, token, **_):
        if token:
            print(json.dumps(token), flush=True)


question = [HumanMessage(content="hello there")]
if sys.argv[1] == "stream":
    model = ChatOpenAI(
        streaming=True,
        callbacks=[Printer()],
        model_kwargs={"standin": {"gate": sys.argv[2]}},
    )
    answer = model(question).content
    if answer != "You said: hello there":
        sys.exit("the pieces were put together to " + repr(answer))
else:
    print(ChatOpenAI()(question).content)
