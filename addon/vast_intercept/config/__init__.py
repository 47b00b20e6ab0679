"""The configuration: what its file may say, whether that holds together, and what is in force.

The rest of the house imports from this package alone. Its modules: `config.py` (the value that
calls are served by, made from file, options and environment), `file.py` (the YAML file's sections),
`validation.py`, `endpoints.py` and `keys.py` (what they must fulfil, and what they refer to),
`watch.py` (reads the files again when they change) and `providers.py` (whose API a host and a path
belong to).
"""

from ..bridges.bridge import BuiltinTools
from .config import Config, EndpointId, UpstreamKind, find_config_file, load_config
from .endpoints import Endpoint, Machine
from .file import (
    PROVIDER,
    ClientKey,
    ConfigError,
    ConfigFile,
    InspectSection,
    OwnProvider,
    Route,
    TimeoutSection,
    VastSection,
    read_config_file,
)
from .providers import ApiPath, Provider, built_in_providers, find_provider
from .validation import Network, Responses, ResponseStoreKind
from .watch import SETTLED, ConfigWatch
