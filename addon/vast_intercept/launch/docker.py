"""How a container uses an interceptor of this machine: flags of `docker run`."""

import shlex
from collections.abc import Mapping

from ..certificates.own_ca import CaError
from ..certificates.trust_files import TrustFiles

_ENV_FILE = "docker.env"


def docker_flags(variables: Mapping[str, str], files: TrustFiles) -> str:
    """The flags, with the variables in a file: Docker reads each line of it as it is.

    The host's network, since nothing listens beyond its loopback. The folder with the CAs is at the
    same place within the container, so that the variables are the same, too. Raises CaError if the
    file cannot be written.
    """
    folder = files.bundle.parent
    env_file = folder / _ENV_FILE
    try:
        env_file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    except OSError as error:
        raise CaError(f"{env_file} cannot be written: {error.strerror}.") from None
    return shlex.join(
        ["--network=host", f"--env-file={env_file}", f"--volume={folder}:{folder}:ro"]
    )
