"""The clients: each a program that anybody could have written, and what runs it.

They are told `whole` or `stream`, and for a stream the gate at which the stand-in holds each chunk.
They print the answer's text, or each piece of it as JSON on a line of its own.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import environments
from .environments import PROGRAMS


@dataclass(frozen=True, slots=True)
class Client:
    """A client's name, and how to make its command. That raises InstallationError."""

    name: str
    command: Callable[[], list[str]]
    #: Where it prints bodies as they are, since that is what it is for.
    prints_bodies: bool = False
    #: Whether it asks for a text completion.
    completes_text: bool = False
    #: Whether it can be told to stream.
    streams: bool = True
    #: Options of `run` that it needs.
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name

    def text(self, output: str) -> str:
        """The answer's text, in what the client printed of a whole answer."""
        if self.prints_bodies:
            answer = json.loads(output)
            return str(answer["choices"][0]["message"]["content"])
        return output.removesuffix("\n")

    def pieces(self, output: str) -> list[str]:
        """The pieces of the text, in what it printed of a stream."""
        if not self.prints_bodies:
            return [json.loads(line) for line in output.splitlines()]
        lines = output.splitlines()
        events = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        assert events.pop() == "[DONE]", output
        chunks: list[dict[str, Any]] = [json.loads(event) for event in events]
        contents = [each["delta"].get("content") for chunk in chunks for each in chunk["choices"]]
        return [content for content in contents if content]


def _python(
    program: str, requirements: str = "current", name: str = "", *, completes_text: bool = False
) -> Client:
    path = str(PROGRAMS / f"{program}_app.py")
    return Client(
        f"python-{name or program}",
        lambda: [environments.python(requirements), path],
        completes_text=completes_text,
    )


def _node(name: str) -> Client:
    program = f"{name}_app.mjs"
    return Client(
        f"node-{name}", lambda: [environments.tool("node"), environments.node_program(program)]
    )


def _shell(name: str) -> Client:
    path = str(PROGRAMS / f"{name}_app.sh")

    def command() -> list[str]:
        environments.tool(name)
        return ["/bin/sh", path]

    return Client(name, command, prints_bodies=True)


def _script(
    name: str, runner: list[str], program: str, loads: list[str], *, streams: bool = True
) -> Client:
    """A program in a language of the machine's, with the command that loads what it needs."""

    def command() -> list[str]:
        path = environments.tool(runner[0])
        environments.having(path, *loads)
        return [path, *runner[1:], str(PROGRAMS / program)]

    return Client(name, command, prints_bodies=True, streams=streams)


def _php(name: str, loads: str = "") -> Client:
    def command() -> list[str]:
        path = environments.tool("php")
        environments.having(path, "-r", loads)
        return [path, str(PROGRAMS / f"{name}_app.php")]

    return Client(f"php-{name}", command)


def _python_printing(name: str) -> Client:
    path = str(PROGRAMS / f"{name}_app.py")
    return Client(f"python-{name}", lambda: [environments.python("more"), path], prints_bodies=True)


def _on_node(version: int, name: str) -> Client:
    program = f"{name}_app.mjs"
    return Client(
        f"node{version}-{name}",
        lambda: [
            environments.runtime(f"node-{version}/bin/node"),
            environments.node_program(program),
        ],
        prints_bodies=name in {"axios", "got", "undici"},
    )


PYTHON = [
    _python("requests"),
    _python("urllib"),
    _python("httpx"),
    _python("openai"),
    _python("openai_completion", "openai_018", "openai_018", completes_text=True),
    _python("openai_completion", "openai_025", "openai_025", completes_text=True),
    _python("openai_028", "openai_027", "openai_027"),
    _python("openai_028", "openai_028"),
    _python("lines"),
    _python("langchain"),
    _python("langchain_0", "langchain_0"),
    _python("llama_index", "llama_index"),
]
# These two know of no proxy: aiohttp until it is told to, Node's fetch until Node 24.
AIOHTTP = _python("aiohttp")
NODE = [
    Client("node-fetch", lambda: [environments.tool("node"), str(PROGRAMS / "fetch_app.mjs")]),
    _node("openai"),
    _node("openai_3"),
    _node("openai_4"),
]
SHELL = [_shell("curl"), _shell("wget")]
JAVA = Client(
    "java-httpclient",
    # The JVM prints its own warnings, of a slow machine for instance, among the app's output.
    lambda: [
        environments.java(),
        "-Xlog:disable",
        "-Xlog:all=warning:stderr",
        str(PROGRAMS / "HttpClientApp.java"),
    ],
)
GO = Client("go-nethttp", lambda: [environments.go_program("nethttp_app")])
PHP = Client("php-curl", lambda: [environments.php(), str(PROGRAMS / "curl_app.php")])
RUBY = Client("ruby-nethttp", lambda: [environments.tool("ruby"), str(PROGRAMS / "nethttp_app.rb")])
GUZZLE = _php("guzzle", "require 'GuzzleHttp/autoload.php';")
# Knows of no proxy.
FILE_GET_CONTENTS = _php("file_get_contents")


def _chromium() -> list[str]:
    environments.tool("chromium")
    environments.tool("certutil")
    return ["/bin/sh", str(PROGRAMS / "chromium_app.sh")]


# In the jail and out of it.
CHROMIUM = Client("chromium", _chromium, streams=False, options=("--nss",))
# They know of proxies with the variables that the wrapper sets.
PERL = [
    _script("perl-lwp", ["perl"], "lwp_app.pl", ["-MLWP::Protocol::https", "-e1"]),
    _script(
        "perl-mojo", ["perl"], "mojo_app.pl", ["-MIO::Socket::SSL", "-MMojo::UserAgent", "-e1"]
    ),
]
JAVASCRIPT = [
    *(_on_node(version, "openai_3") for version in (20, 22, 24)),
    _on_node(24, "openai"),
    _on_node(20, "axios"),
    _on_node(24, "axios"),
    _on_node(24, "got"),
    _on_node(24, "undici"),
    Client(
        "bun-fetch",
        lambda: [
            environments.runtime("@oven/bun-linux-x64/bin/bun"),
            str(PROGRAMS / "fetch_app.mjs"),
        ],
    ),
    Client(
        "deno-fetch",
        lambda: [
            environments.runtime("@deno/linux-x64-glibc/deno"),
            *("run", "--allow-all", "--no-lock", str(PROGRAMS / "fetch_app.mjs")),
        ],
    ),
]
# Of these, some know of no proxy, the others read no variable with CAs.
JAILED = [
    _script("r-httr2", ["Rscript"], "httr2_app.R", ["-e", "library(httr2)"]),
    _script("lua-luasec", ["lua5.4"], "luasec_app.lua", ["-e", "require('ssl.https')"]),
    _script(
        *("emacs-url", ["emacs", "--batch", "-Q", "--load"], "url_app.el", ["--version"]),
        streams=False,
    ),
    _script("tcl-http", ["tclsh"], "http_app.tcl", [], streams=False),
    _script("elixir-httpc", ["elixir"], "httpc_app.exs", ["-e", ":ssl.start()"]),
    _script(
        *("libsoup", ["/usr/bin/python3"], "soup_app.py"),
        ["-c", "import gi; gi.require_version('Soup', '3.0')"],
    ),
    _python_printing("pycurl"),
    _python_printing("tornado"),
    _python_printing("urllib3"),
]
