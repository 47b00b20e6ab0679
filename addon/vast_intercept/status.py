"""What an interceptor says of itself to those who ask through it, and where it does."""

import msgspec

#: A host that exists nowhere else, as mitmproxy's own mitm.it. `.internal` is reserved for such
#: names and never resolves (ICANN, board resolution of 29 July 2024).
STATUS_HOST = "vast-intercept.internal"
STATUS_PATH = "/status"
#: In reverse mode every host is the provider's: there a header says what is asked for.
STATUS_HEADER = ("x-vast-intercept", "status")


class Tally(msgspec.Struct):
    """Numbers of the calls to providers' APIs that were not passed on, and of their tokens."""

    #: That have ended, however.
    calls: int = 0
    #: That have not.
    running: int = 0
    #: That cannot be served, and the app was told why.
    refused: int = 0
    #: For which there was no answer, or no whole one.
    errors: int = 0
    #: Prompts' and completions'.
    tokens: int = 0
    #: Answers that do not say how many tokens they took: streams, unless the app asks for it.
    uncounted: int = 0
    #: About how many came in these.
    streamed_tokens: int = 0

    def since(self, before: "Tally") -> "Tally":
        """What has come to it since then."""
        names = (name for name in self.__struct_fields__ if name != "running")
        grown = {name: getattr(self, name) - getattr(before, name) for name in names}
        return Tally(running=self.running, **grown)

    def __str__(self) -> str:
        parts = [f"{self.calls:,} {_plural(self.calls, 'call')}"]
        if self.tokens or not self.uncounted:
            parts.append(f"{self.tokens:,} {_plural(self.tokens, 'token')}")
        if self.uncounted:
            about = f"about {self.streamed_tokens:,} {_plural(self.streamed_tokens, 'token')}"
            streams = f"{self.uncounted:,} {_plural(self.uncounted, 'stream')}"
            parts.append(f"{about} in {streams} (the app did not ask for the usage)")
        parts += [f"{self.refused:,} refused", f"{self.errors:,} {_plural(self.errors, 'error')}"]
        if self.running:
            parts.append(f"{self.running:,} still running")
        return ", ".join(parts)


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"


class Status(msgspec.Struct):
    """An interceptor. No key, masked or not, is in it."""

    version: str
    pid: int
    #: mitmproxy's modes, such as `regular`.
    modes: list[str]
    #: Host and port of each.
    listening: list[tuple[str, int]]
    #: mitmproxy's CA certificate, which apps must trust.
    ca_file: str
    #: The configuration's file, and why it cannot be used.
    config: str
    problem: str
    #: Host names, of which the first label may be `*`.
    provider_hosts: list[str]
    provider_ports: list[int]
    tally: Tally
    #: Models that apps have asked for and that their provider has shut down, with the date.
    shut_down: list[str] = []
    #: Names of the environment variables that hold the Vast key, or may.
    key_variables: list[str] = []
