"""The script: what the model says, turn by turn, to an app whose requests hold no instructions.

An app that cannot put the field `standin` into its requests, such as an agent, is given a script
over the control interface: `PUT /_standin/script` sets it, `DELETE` removes it.

    {"turns": [
        {
            "reasoning": "I should look.",
            "tool_calls": [{"name": "*shell*", "arguments": {"command": "ls"}}]
        },
        {"text": "Done."}
    ]}

The turn follows from the request alone: from how often the model has answered before in it.
"""

from msgspec import Struct

from .instructions import Instructions


class Script(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The turns of a conversation, each with what a request might have in its field `standin`."""

    turns: tuple[Instructions, ...] = ()

    def turn(self, answered: int) -> Instructions | None:
        """The instructions for the next answer, after `answered` earlier ones.

        After the last turn, the last one is repeated: an agent that is told to call a tool for
        ever does so. None if the script is empty.
        """
        return self.turns[min(answered, len(self.turns) - 1)] if self.turns else None


class ScriptPlayer:
    """Holds the script that the model plays at the moment. An empty one changes nothing."""

    def __init__(self) -> None:
        self.script = Script()
