"""The script: what the model says to an app whose requests hold no instructions.

An app that cannot put the field `standin` into its requests, such as an agent, is given a script
over the control interface: `PUT /_standin/script` sets it, `DELETE` removes it.

    {"turns": [
        {
            "reasoning": "I should look.",
            "tool_calls": [{"name": "*shell*", "arguments": {"command": "ls"}}]
        },
        {"text": "Done."}
    ]}

The turn follows from the request alone: from how often the model has answered before in it. For
chats about several things, a script has replies to what the last message says. They come before
the turns, and several answers to the same take turns:

    {"replies": [{"to": "capital of France", "answers": [{"text": "Paris."}, {"text": "Rome."}]}]}
"""

from collections import Counter

from msgspec import Struct

from .instructions import Instructions


class Reply(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model says to a message that holds `to`: one answer after the other, and again."""

    to: str
    answers: tuple[Instructions, ...] = ()


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model says, each as a request might have it in its field `standin`."""

    turns: tuple[Instructions, ...] = ()
    replies: tuple[Reply, ...] = ()


class ScriptPlayer:
    """Plays one script at a time. An empty one changes nothing."""

    def __init__(self) -> None:
        self.play(Script())

    def play(self, script: Script) -> None:
        """Plays a script from its beginning."""
        self._script = script
        self._replied: Counter[str] = Counter()

    def next(self, said: str, answered: int) -> Instructions | None:
        """The instructions for the answer to `said`, after `answered` earlier ones of the model.

        After the last turn, the last one is repeated: an agent that is told to call a tool for
        ever does so. None if the script has nothing for it.
        """
        for reply in self._script.replies:
            if reply.answers and reply.to in said:
                number = self._replied[reply.to]
                self._replied[reply.to] += 1
                return reply.answers[number % len(reply.answers)]
        turns = self._script.turns
        return turns[min(answered, len(turns) - 1)] if turns else None
