"""Calls as curl commands, each for its kind of destination. Keys are variables of the shell. Pure.

What an app has sent is quoted, so that the shell takes it as it is.
"""

import re
import shlex
from dataclasses import dataclass

from ..config import Config, EndpointId, UpstreamKind
from ..openai_api.operations import Operation
from ..vast_api.console import root_url
from ..vast_api.openai_interface import operation_url
from ..vast_api.router import route_request, route_url

# Linux takes arguments of 128 KiB at most.
_LARGEST_ARGUMENT = 100_000

_KEY_OF_ACCOUNT = "VAST_API_KEY"
_KEY_OF_ENDPOINT = "VAST_ENDPOINT_KEY"
_PLACE_OF_KEY = "key"
_JSON = "-H 'Content-Type: application/json'"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurlCall:
    """What is to be sent, and what to do with the answer."""

    operation: Operation
    #: JSON.
    body: str
    #: In tokens, for Vast's router.
    cost: float = 0.0
    is_stream: bool = False
    #: The name of a file for an answer that no terminal can show.
    file: str | None = None

    @property
    def curl(self) -> str:
        """The command's beginning: what it is to do with the answer."""
        words = ["curl"]
        words += ["--no-buffer"] if self.is_stream else []
        words += ["--output", shlex.quote(self.file)] if self.file else []
        return " ".join(words)


def curl_command(call: CurlCall, destination: EndpointId, config: Config) -> str:
    """A command, or some lines for bash, that send the call to an endpoint or a machine."""
    name = destination.name
    if destination.kind is UpstreamKind.MACHINE:
        machine = config.known_endpoint(name).machine
        assert machine
        has_key = machine.api_key or machine.api_key_problem
        key = (machine.key_variable or _variable_for(name)) if has_key else None
        return _to_url(call, f"{machine.url}/v1/{call.operation}", key)
    if call.cost == 0:
        # Vast's OpenAI interface has all endpoints, and asks for no route.
        return _to_url(
            call, operation_url(config.openai_url, name, call.operation), _KEY_OF_ACCOUNT
        )
    return _to_worker(call, name, config)


def _to_url(call: CurlCall, url: str, key: str | None) -> str:
    words = [call.curl, shlex.quote(url)]
    words += [f'-H "Authorization: Bearer ${key}"'] if key else []
    command = " ".join([*words, _JSON])
    if len(call.body.encode()) > _LARGEST_ARGUMENT:
        # The body is JSON: no line of it can be what ends the document.
        return f"{command} --data-binary @- <<'VAST_BODY'\n{call.body}\nVAST_BODY"
    return f"{command} --data-raw {shlex.quote(call.body)}"


def _to_worker(call: CurlCall, endpoint: str, config: Config) -> str:
    """Asks the router for a worker, and sends the call there, as in FACTS V3 and V4.

    Bash's own `printf` takes arguments of any length.
    """
    route = route_request(endpoint, _PLACE_OF_KEY, call.cost, 0).decode()
    before, after = route.split(f'"api_key":"{_PLACE_OF_KEY}"')
    asked = (
        shlex.quote(f'{before}"api_key":"') + f'"${_KEY_OF_ENDPOINT}"' + shlex.quote(f'"{after}')
    )
    router = shlex.quote(route_url(config.route_url))
    root = shlex.quote(root_url(config.console_url))
    url = f'--url "$worker"/v1/{call.operation}'
    return f"""\
route=$(curl --silent --show-error {router} -H "Authorization: Bearer ${_KEY_OF_ENDPOINT}" \\
  {_JSON} --data-raw {asked})
worker=$(printf %s "$route" | sed -nE 's/.*"url": ?"([^"]+)".*/\\1/p')
printf '{{"auth_data":%s,"session_id":null,"payload":%s}}' "$route" {shlex.quote(call.body)} |
  {call.curl} --cacert <(curl --silent --show-error {root}) {url} \\
  {_JSON} --data-binary @-"""


def _variable_for(machine: str) -> str:
    """The variable for a machine's key: MY_BOX_API_KEY for `my-box`."""
    name = re.sub(r"[^A-Z0-9]+", "_", machine.upper())
    return f"{'_' if name[:1].isdigit() else ''}{name}_API_KEY"
