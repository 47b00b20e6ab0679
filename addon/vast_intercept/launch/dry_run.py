"""`vast-intercept run --dry-run`: what would be set for the app, without starting anything."""

import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..certificates.trust_files import files_in
from ..config import ConfigError, find_config_file, load_config
from ..engine.key_variables import with_the_same_key, without_variables
from ..engine.running import NotRunningError, ask_status
from .run import RunOptions
from .shells import FORMATS
from .variables import app_variables, bundle_variables, without_proxies


def planned(options: RunOptions, environ: Mapping[str, str]) -> str:
    """What would be set and run, as `sh` would have it. `environ` is the shell's environment."""
    names = [] if options.record else with_the_same_key(_key_variables(options), environ)
    kept = without_variables(names, environ)
    files = files_in(Path("FOLDER"))
    if options.jail:
        kept = without_proxies(kept)
        variables = bundle_variables(files, kept)
    else:
        port = options.attach or options.port or "PORT"
        variables = app_variables(f"http://127.0.0.1:{port}", files, kept)
    unset = [f"unset {name}" for name in sorted(set(environ) - set(kept))]
    return "\n".join([*unset, FORMATS["sh"](variables), shlex.join(options.command)])


def chosen_later(options: RunOptions) -> str:
    """A sentence that says what stands in `planned` for what is not known yet."""
    known = options.attach or options.port or options.jail
    return f"{'FOLDER is' if known else 'PORT and FOLDER are'} chosen when it runs."


def _key_variables(options: RunOptions) -> list[str]:
    """What the interceptor would say of them, as far as that can be told without one."""
    with suppress(NotRunningError, ConfigError):
        if options.attach:
            return ask_status(options.attach).key_variables
        set_path = dict(each.partition("=")[::2] for each in options.settings).get("vast_config")
        return list(load_config(find_config_file(set_path or options.config)).all_key_variables)
    return []
