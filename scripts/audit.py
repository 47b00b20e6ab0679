"""Looks for known vulnerabilities in what is locked. Where it cannot ask, it says so.

The database is OSV's (https://osv.dev), which takes names and versions and nothing else.
"""

import json
import subprocess
import sys
from pathlib import Path

LOCKED = Path(__file__).parents[1] / "requirements-dev.txt"
#: Vulnerabilities that do not matter here: the identifier, and why.
ACCEPTED: dict[str, str] = {}


def main() -> int:
    """Prints the vulnerabilities found. The exit code is 1 if there are any."""
    accepted = [option for known in ACCEPTED for option in ("--ignore-vuln", known)]
    command = [sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv"]
    command += ["--timeout", "10", "--progress-spinner", "off", "--format", "json", *accepted]
    command += ["--disable-pip", "--require-hashes", "--requirement", str(LOCKED)]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        dependencies = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        said = asked.stderr.strip().splitlines() or [f"exit code {asked.returncode}"]
        print(f"Known vulnerabilities were not looked up: {said[-1][:200]}")
        return 0
    found = [(each, known) for each in dependencies for known in each.get("vulns", ())]
    for each, known in found:
        fixed = ", ".join(known["fix_versions"]) or "no version yet"
        print(f"{each['name']} {each['version']}: {known['id']}, mended in {fixed}")
    if not found:
        print(f"No known vulnerabilities in {len(dependencies)} packages.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
