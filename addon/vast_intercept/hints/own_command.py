"""How a person calls this program, for commands that are to be copied from what it says."""

import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

_NAME = "vast-intercept"


@cache
def own_command() -> str:
    """This program's name, or its path if the shell does not find it by that name."""
    installed = Path(sys.executable).with_name(_NAME)
    if shutil.which(_NAME) or not installed.exists():
        return _NAME
    return shlex.quote(str(installed))
