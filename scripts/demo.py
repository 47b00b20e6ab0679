"""The demo: two apps that call https://api.openai.com/v1, answered by a Vast endpoint.

With VAST_API_KEY and VAST_ENDPOINT in the environment that is your own endpoint, else the stand-in,
which plays Vast on this machine. Everything is stopped and removed at the end.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

APPS = Path(__file__).parent / "apps"
COMMAND = Path(sys.executable).with_name("vast-intercept")
STANDIN_KEY = "vast-key-of-the-stand-in"
# Vast's workers serve embeddings, its OpenAI interface does not.
CONFIG = """
vast: {{interface: serverless, route_url: '{url}', console_url: '{url}'}}
endpoints: {{demo: {{serves: [embeddings]}}}}
"""


@contextmanager
def running(*arguments: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A `vast-intercept` command in the background, ended at the end of the block."""
    process = subprocess.Popen(
        [COMMAND, *arguments], env=environ, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def read_until(process: subprocess.Popen[str], text: str) -> str:
    """Reads the output of `process` up to the line that has `text`, and returns that line."""
    assert process.stdout
    for line in process.stdout:
        if text in line:
            return line
    sys.exit(f"{process.args[1]} stopped unexpectedly with status {process.wait()}.")


def main() -> None:
    """Runs the demo."""
    environ = dict(os.environ)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        config = folder / "vast.yaml"
        config.write_text("{}")
        if environ.get("VAST_API_KEY") and environ.get("VAST_ENDPOINT"):
            print(f"1. Vast itself, with the endpoint {environ['VAST_ENDPOINT']}", flush=True)
        else:
            print("1. Vast's stand-in (your own endpoint: set VAST_API_KEY and VAST_ENDPOINT)")
            environ |= {"VAST_API_KEY": STANDIN_KEY, "VAST_ENDPOINT": "demo"}
            options = ("--api-key", STANDIN_KEY, "--routes", "/v1/embeddings")
            standin = stack.enter_context(running("standin", *options, environ=environ))
            url = read_until(standin, "ready at").split()[-1]
            config.write_text(CONFIG.format(url=url))
            print(f"    {url}")

        run = [COMMAND, "run", "--config", str(config), "--set", f"confdir={folder}", "--"]
        for number, app in enumerate(("requests_app.py", "openai_app.py"), start=2):
            print(f"\n{number}. An unchanged app: vast-intercept run -- python scripts/apps/{app}")
            sys.stdout.flush()
            subprocess.run([*run, sys.executable, APPS / app], env=environ, check=True)
    print("\nNow your own app: see the README.")


if __name__ == "__main__":
    main()
