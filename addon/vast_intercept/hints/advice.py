"""What helps an app whose calls fail, in words, with the command to type: pure."""

from dataclasses import dataclass

from .processes import Process

_COMMAND = "COMMAND (COMMAND is the app's own)"


@dataclass(frozen=True, slots=True)
class Advice:
    """Names commands that can be copied.

    `command` is how a person calls this program; `port` is where the interceptor listens, or None
    for that of `vast-intercept run`, which is about to end with its app.
    """

    command: str
    port: int | None

    def does_not_trust(self, who: str, host: str, process: Process | None) -> str:
        """The app refused the certificate in the handshake."""
        refused = f"{who} does not trust the interceptor's CA, so that its calls to {host} fail."
        if process and (process.jailed or process.has_our_ca):
            refused = (
                f"{who} was given the interceptor's CA and refuses it all the same: it brings its"
                f" own list of CAs, or pins the certificate of {host}."
            )
        return f"{refused} {self._what_helps(process)}"

    def left_after_handshake(self, who: str, host: str, process: Process | None) -> str:
        """The app looked at the certificate once the handshake was over (FACTS C12)."""
        return (
            f"{who} left right after the TLS handshake for {host}, without a call: it does not"
            " trust the interceptor's CA, or pins the provider's certificate."
            f" {self._what_helps(process)}"
        )

    def knows_no_proxy(self, who: str, port: int) -> str:
        """Something connected to the proxy as if that were a server of another kind."""
        return (
            f"{who} connected to port {port} and left without a word of the proxy protocol. An app"
            f" that knows no proxies is started with: {self._run('--jail')}"
        )

    def calls_the_proxy(self, who: str, url: str) -> str:
        """The app's base URL is the proxy's own."""
        at = f" -p {self.port}" if self.port else ""
        return (
            f"{who} calls {url} as if the proxy were the API. For an app whose base URL can be"
            f" changed, start the interceptor with: {self.command} serve{at} --mode"
            " reverse:https://api.openai.com"
        )

    def _what_helps(self, process: Process | None) -> str:
        """What helps an app that refuses our certificate, as far as can be told."""
        if process and process.reads_nss:
            return f"It looks for CAs in NSS's database. Start it with: {self._run('--nss')}"
        if process and process.jailed:
            return (
                "For a browser such as Chromium, --nss before the -- helps. Nothing outside of"
                " other apps changes that."
            )
        if process and process.has_our_ca:
            return (
                f"If it reads the system's list: {self._run('--jail')}. Nothing outside of the app"
                " helps against a pinned certificate."
            )
        if self.port is None:  # `run` has given it the CA, but what it has started may lack it
            return f"Start it with: {self._run('--jail')}"
        wrapper = f"{self.command} run --attach {self.port} -- {_COMMAND}"
        otherwise = "" if process else "; if it was, with --jail before the --"
        return f"Start it with: {wrapper}{otherwise}"

    def _run(self, option: str) -> str:
        attach = f" --attach {self.port}" if self.port else ""
        return f"{self.command} run {option}{attach} -- {_COMMAND}"
