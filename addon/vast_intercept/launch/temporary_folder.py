"""A temporary folder that is removed when this process ends, even if it is killed."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The pipe on its standard input ends when the process that made the folder does.
_REMOVE_AT_THE_END = 'read -r end; rm -rf -- "$0"'


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that every user can read, since the app may run as any: nothing in it is secret."""
    folder = Path(tempfile.mkdtemp(prefix="vast-intercept-"))
    folder.chmod(0o755)
    remover = subprocess.Popen(
        ["/bin/sh", "-c", _REMOVE_AT_THE_END, str(folder)],
        env={"PATH": os.defpath},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # it gets no signal from the terminal
    )
    try:
        yield folder
    finally:
        remover.communicate()
