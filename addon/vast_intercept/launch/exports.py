"""`vast-intercept env`: what an app must be told to use a running interceptor."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from ..certificates.own_ca import CaError, read_ca
from ..certificates.trust_files import TrustFiles, write_trust_files
from ..engine.running import ask_status
from .shells import FORMATS
from .variables import app_variables

_DOCKER = "docker"
#: Who may be told: shells, files of variables, `docker run`.
FORMS = (*FORMATS, _DOCKER)

# Beside mitmproxy's CA: where apps that outlive a run find the CAs.
_FOLDER = "vast-intercept"


def exports(port: int, form: str, environ: Mapping[str, str]) -> str:
    """The variables that have an app use and trust the interceptor at a port of this machine.

    `form` is one of FORMS, `environ` what the app would have without them. Writes the files that
    the variables name. Raises NotRunningError or CaError.
    """
    ca = read_ca(Path(ask_status(port).ca_file))
    ca.check_validity()
    files = write_trust_files(ca.path.parent / _FOLDER, ca, environ)
    proxy = f"http://127.0.0.1:{port}"
    if form == _DOCKER:
        # This shell's own variables are not the container's.
        return _docker_flags(app_variables(proxy, files, {}), files)
    return FORMATS[form](app_variables(proxy, files, environ))


def _docker_flags(variables: Mapping[str, str], files: TrustFiles) -> str:
    """Flags of `docker run`, with the variables in a file: Docker reads each line of it as it is.

    The container has the host's network, since nothing listens beyond the host's loopback. It finds
    the CAs' folder at the same path, so that the variables are the same, too.
    """
    folder = files.bundle.parent
    env_file = folder / "docker.env"
    try:
        env_file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    except OSError as error:
        raise CaError(f"{env_file} cannot be written: {error.strerror}.") from None
    return shlex.join(
        ["--network=host", f"--env-file={env_file}", f"--volume={folder}:{folder}:ro"]
    )
