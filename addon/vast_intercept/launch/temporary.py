"""A temporary folder that is gone when this process is, also if that is killed."""

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
    """A folder that everybody can read, whoever the app runs as: nothing in it is secret."""
    folder = Path(tempfile.mkdtemp(prefix="vast-intercept-"))
    folder.chmod(0o755)
    remover = subprocess.Popen(
        ["/bin/sh", "-c", _REMOVE_AT_THE_END, str(folder)],
        env={"PATH": os.defpath},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # what the terminal sends is not for it
    )
    try:
        yield folder
    finally:
        remover.communicate()
