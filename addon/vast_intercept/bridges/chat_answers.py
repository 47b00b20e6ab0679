"""What a bridge reads of a chat completion: of a whole answer, and of a chunk of a stream.

Only the fields that a bridge uses are read, so that what a server adds does no harm.
"""

import re

import msgspec

from ..openai_api.error_codes import ErrorCode
from ..openai_api.errors import ApiError, bad_gateway
from ..openai_api.limits import MAX_BRIDGED, READ_AT_ONCE
from ..openai_api.members import DECODE_ERRORS, NULL
from ..openai_api.outline import Buffer
from ..openai_api.usage import Tokens

#: Tool calls, or other items, that an answer may become. Each costs some time.
MAX_ITEMS = 1_000


class CalledFunction(msgspec.Struct, gc=False):
    """The function of a tool call. In a chunk, `arguments` is a piece of them."""

    name: str | None = None
    #: A text; JSON of any other kind from servers that have read it already.
    arguments: object = None


class ToolCall(msgspec.Struct, gc=False):
    """A tool call, or a piece of one. Some servers leave `index` out of the pieces."""

    index: int | None = None
    id: str | None = None
    function: CalledFunction | None = None

    @property
    def name(self) -> str:
        """The function's name; empty in all pieces but the first."""
        return (self.function and self.function.name) or ""

    @property
    def arguments(self) -> str:
        """The arguments, or what this piece has of them, as text."""
        arguments = self.function and self.function.arguments
        if arguments is None or isinstance(arguments, str):
            return arguments or ""
        return msgspec.json.encode(arguments).decode()


class Message(msgspec.Struct, gc=False):
    """What the model said, or in a chunk, what it goes on to say."""

    content: str | None = None
    refusal: str | None = None
    reasoning: object = None
    reasoning_content: object = None
    tool_calls: list[ToolCall] | None = None

    @property
    def thoughts(self) -> str:
        """The reasoning, which has one of two names (FACTS V19), or both for the same text."""
        for text in (self.reasoning, self.reasoning_content):
            if text and isinstance(text, str):
                return text
        return ""


class TopLogprob(msgspec.Struct, gc=False):
    """A token that was as likely as the one that was chosen, or nearly so."""

    token: str
    logprob: float
    bytes: list[int] = []


class TokenLogprob(msgspec.Struct, gc=False):
    """The log probability of one token, with the fields that OpenAI's always has."""

    token: str
    logprob: float
    bytes: list[int] = []
    top_logprobs: list[TopLogprob] = []


class _Logprobs(msgspec.Struct):
    content: list[TokenLogprob] | None = None


class Choice(msgspec.Struct, gc=False):
    """One answer of those that were asked for. A whole answer has a message, a chunk a delta."""

    index: int | None = None
    delta: Message | None = None
    message: Message | None = None
    finish_reason: str | None = None
    #: vLLM's: the text of `stop` that ended the answer, or the number of a token.
    stop_reason: object = None
    logprobs: msgspec.Raw = NULL


class ChatCompletion(msgspec.Struct, gc=False):
    """A chat completion, or a chunk of one."""

    choices: list[Choice] | None = None
    usage: msgspec.Raw = NULL

    @property
    def choice(self) -> Choice | None:
        """The first choice, which is the only one that other APIs know."""
        for choice in self.choices or ():
            if not choice.index:
                return choice
        return None


class _PromptDetails(msgspec.Struct):
    cached_tokens: Tokens | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: Tokens | None = None


class ChatUsage(msgspec.Struct):
    """The tokens of a chat completion. `cached_tokens` are among those of the prompt."""

    prompt_tokens: Tokens
    completion_tokens: Tokens = 0
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that had been computed before; 0 if the server does not say."""
        return (self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens) or 0

    @property
    def reasoning_tokens(self) -> int:
        """Tokens of the answer that are reasoning; 0 if the server does not say."""
        details = self.completion_tokens_details
        return (details and details.reasoning_tokens) or 0


# Objects and lists of an answer: the log probabilities of some thousand tokens with twenty each.
_MANY_VALUES = 200_000

# A list that is null. Within a text, quotes have a backslash before them.
_NO_LIST = re.compile(rb'("(?:bytes|top_logprobs)"\s*:\s*)null')

# vLLM's finish reasons for what it could not finish.
_UNFINISHED = frozenset({"abort", "error"})

_answer = msgspec.json.Decoder(ChatCompletion)
_usage: msgspec.json.Decoder[ChatUsage | None] = msgspec.json.Decoder(ChatUsage | None)
_logprobs: msgspec.json.Decoder[_Logprobs | None] = msgspec.json.Decoder(_Logprobs | None)


def read_completion(text: Buffer) -> ChatCompletion:
    """A chat completion, or a chunk of one.

    Raises ApiError (502) for what is neither, for what would take long to read, and for an answer
    that vLLM could not finish.
    """
    if len(text) > READ_AT_ONCE and text.count(b"{") + text.count(b"[") > _MANY_VALUES:
        raise bad_answer(f"it holds more than {_MANY_VALUES:,} objects and lists")
    try:
        completion = _answer.decode(text)
    except DECODE_ERRORS as error:
        raise bad_answer(str(error)) from None
    choice = completion.choice
    if choice and choice.finish_reason in _UNFINISHED:
        raise bad_gateway("The model was stopped within the answer.", ErrorCode.VAST_DISCONNECTED)
    return completion


def read_whole(body: Buffer) -> ChatCompletion:
    """A whole chat completion. Raises ApiError (502) for what is none, and for one too large."""
    if len(body) > MAX_BRIDGED:
        raise answer_too_large()
    return read_completion(body)


def read_usage(usage: msgspec.Raw) -> ChatUsage | None:
    """The usage that an answer states. None if there is none that makes sense."""
    try:
        return _usage.decode(usage)
    except DECODE_ERRORS:
        return None


def read_logprobs(logprobs: msgspec.Raw) -> list[TokenLogprob]:
    """The log probabilities of a choice. None at all if they are not what OpenAI's are."""
    try:
        read = _logprobs.decode(_NO_LIST.sub(rb"\1[]", logprobs))
    except DECODE_ERRORS:
        return []
    return (read and read.content) or []


def bad_answer(why: str) -> ApiError:
    """The error for an answer that cannot be converted."""
    return bad_gateway(f"The answer is no chat completion: {why}.", ErrorCode.BAD_UPSTREAM_ANSWER)


def ended_early() -> ApiError:
    """The error for a stream that ends before the model has stopped."""
    early = "The stream ended before the answer was complete."
    return bad_gateway(early, ErrorCode.VAST_DISCONNECTED)


def answer_too_large() -> ApiError:
    """The error for an answer that is larger than what is converted in one go."""
    said = f"The answer is larger than {MAX_BRIDGED:,} bytes, which is the limit of this API."
    return bad_gateway(said, ErrorCode.ANSWER_TOO_LARGE, retry=False)
