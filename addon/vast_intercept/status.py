"""The status of an interceptor, and the address where it answers with it, through itself."""

import shlex

import msgspec

#: A host that only interceptors answer for, as mitmproxy does for mitm.it. `.internal` is reserved
#: for such names and never resolves (ICANN, board resolution of 29 July 2024).
STATUS_HOST = "vast-intercept.internal"
STATUS_PATH = "/status"
#: In reverse mode, where every host is the provider's, this header asks for the status.
STATUS_HEADER = ("x-vast-intercept", "status")


class Tally(msgspec.Struct):
    """Numbers of calls to providers' APIs and of what they held, without calls passed on."""

    #: Calls that have ended, with whatever outcome.
    calls: int = 0
    #: Calls that have not ended.
    running: int = 0
    #: Calls that cannot be served, and were refused with the reason.
    refused: int = 0
    #: Calls that got no answer, or not all of it.
    errors: int = 0
    #: Tokens of prompts and completions, as answers tell them.
    tokens: int = 0
    #: Answers without a number of tokens: streams, unless the app asks for it.
    uncounted: int = 0
    #: Roughly the number of tokens in the answers of `uncounted`.
    streamed_tokens: int = 0
    #: What answered calls held besides tokens: texts that were embedded or compared, characters
    #: that were spoken, seconds of audio, and images.
    texts: int = 0
    characters: int = 0
    audio_seconds: float = 0.0
    images: int = 0

    def since(self, before: "Tally") -> "Tally":
        """The difference to an earlier tally, but for `running`, which is of now."""
        names = (name for name in self.__struct_fields__ if name != "running")
        grown = {name: getattr(self, name) - getattr(before, name) for name in names}
        return Tally(running=self.running, **grown)

    def __str__(self) -> str:
        parts = [f"{self.calls:,} {_plural(self.calls, 'call')}"]
        amounts = self._amounts()
        if self.tokens or not (self.uncounted or amounts):
            parts.append(f"{self.tokens:,} {_plural(self.tokens, 'token')}")
        if self.uncounted:
            about = f"about {self.streamed_tokens:,} {_plural(self.streamed_tokens, 'token')}"
            streams = f"{self.uncounted:,} {_plural(self.uncounted, 'stream')}"
            parts.append(f"{about} in {streams} (the app did not ask for the usage)")
        parts += amounts
        parts += [f"{self.refused:,} refused", f"{self.errors:,} {_plural(self.errors, 'error')}"]
        if self.running:
            parts.append(f"{self.running:,} still running")
        return ", ".join(parts)

    def _amounts(self) -> list[str]:
        parts = []
        if self.texts:
            parts.append(f"{self.texts:,} {_plural(self.texts, 'text')}")
        if self.characters:
            parts.append(f"{self.characters:,} {_plural(self.characters, 'character')} spoken")
        if self.audio_seconds:
            parts.append(f"{self.audio_seconds:,.1f} s of audio")
        if self.images:
            parts.append(f"{self.images:,} {_plural(self.images, 'image')}")
        return parts


class Recorded(msgspec.Struct):
    """What was recorded of the calls to providers' APIs."""

    #: The path of the file.
    file: str
    #: How many calls were recorded, by operation.
    operations: dict[str, int] = {}
    #: How many of these are without the body of their answer, since it was too large.
    without_answer: int = 0
    #: How many were not, by which calls they are, such as `too large`.
    left_out: dict[str, int] = {}

    def add(self, operation: str, *, whole: bool = True) -> None:
        """Counts a call that was recorded. `whole`: with the body of its answer, if it had one."""
        self.without_answer += not whole
        self.operations[operation] = self.operations.get(operation, 0) + 1

    def leave_out(self, which: str) -> None:
        """Counts a call that was not."""
        self.left_out[which] = self.left_out.get(which, 0) + 1

    @property
    def calls(self) -> int:
        """How many calls were recorded."""
        return sum(self.operations.values())

    @property
    def next_step(self) -> str:
        """What a person does with the recording, as the end of a line."""
        return f". Next: vast-intercept rehearse {shlex.quote(self.file)}" if self.calls else ""

    def since(self, before: "Recorded") -> "Recorded":
        """The difference to what was recorded earlier in the same file."""
        return Recorded(
            file=self.file,
            operations=_grown(self.operations, before.operations),
            without_answer=self.without_answer - before.without_answer,
            left_out=_grown(self.left_out, before.left_out),
        )

    def __str__(self) -> str:
        text = f"recorded {self.calls:,} {_plural(self.calls, 'call')}"
        if self.calls:
            most = sorted(self.operations.items(), key=lambda each: (-each[1], each[0]))
            kinds = ", ".join(f"{count:,} {name}" for name, count in most)
            text += f" ({kinds}) in {self.file}"
        if self.without_answer:
            text += f", {self.without_answer:,} without the answer, which was too large"
        if self.left_out:
            kinds = ", ".join(f"{count:,} {which}" for which, count in self.left_out.items())
            text += f"; not recorded: {kinds}"
        return text


def _grown(now: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    grown = {name: count - before.get(name, 0) for name, count in now.items()}
    return {name: count for name, count in grown.items() if count}


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


class Status(msgspec.Struct):
    """What an interceptor says of itself. No key is in it, masked or not."""

    version: str
    pid: int
    #: mitmproxy's modes, such as `regular`.
    modes: list[str]
    #: Host and port of each socket that it listens on.
    listening: list[tuple[str, int]]
    #: mitmproxy's CA certificate, which apps must trust.
    ca_file: str
    #: The configuration's file.
    config: str
    #: Why the configuration cannot be used; empty if it can.
    problem: str
    #: Host names, of which the first label may be `*`.
    provider_hosts: list[str]
    provider_ports: list[int]
    tally: Tally
    #: None unless calls are recorded, and none is served.
    recorded: "Recorded | None" = None
    #: Models that apps have asked for and that their provider has shut down, with the date.
    shut_down: list[str] = []
    #: Environment variables that may hold the Vast key, or a machine's.
    key_variables: list[str] = []
