"""What an answer's body says, of whichever API it is. Pure."""

from dataclasses import dataclass, field
from typing import Any

from .said import Choice


@dataclass(slots=True)
class ChatAnswer:
    """What an answer's body says. `error` is the API's error object, or what is in its place."""

    choices: dict[int, Choice] = field(default_factory=dict)
    model: str | None = None
    #: By which the app refers to the answer; only of a response.
    id: str | None = None
    #: As the API words it: `prompt_tokens` or `input_tokens`, and so on.
    usage: dict[str, Any] = field(default_factory=dict)
    error: Any = None
    #: Whether it is a stream, and has its closing event, which has this name.
    streamed: bool = False
    done: bool = False
    closing: str = "[DONE]"
    #: Events of a stream that cannot be understood.
    strange: int = 0
    #: Bytes in the middle of a stream that were not looked at.
    left_out: int = 0

    def choice(self, index: int = 0) -> Choice:
        """The choice with this index, which is made if there is none."""
        choice = self.choices.get(index)
        if choice is None:
            choice = self.choices[index] = Choice()
        return choice

    @property
    def understood(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.choices or self.usage or self.error or self.done)

    @property
    def finished(self) -> bool:
        """Whether each choice has said why it ended: some servers send no closing event."""
        return bool(self.choices) and all(each.finish_reason for each in self.choices.values())

    @property
    def tokens(self) -> tuple[Any, Any]:
        """How many tokens the prompt and the answer had, as far as the answer says so."""
        usage = self.usage
        names = ("prompt", "completion") if "prompt_tokens" in usage else ("input", "output")
        prompt, completion = (usage.get(f"{name}_tokens") for name in names)
        return prompt, completion
