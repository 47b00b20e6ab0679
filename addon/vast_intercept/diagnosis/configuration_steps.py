"""Steps: the configuration, and the key in it."""

from ..config import ConfigError, ConfigFile, load_config, read_config_file
from ..openai_api.errors import ApiError
from ..relay.upstreams.tls import public_context
from .findings import Finding, Problem
from .origins import keys_of, origins
from .subject import Subject


def look_at_configuration(subject: Subject) -> Finding:
    """Looks whether the configuration is valid, and where each value comes from."""
    path = subject.where.path
    try:
        subject.config = load_config(path, subject.environ, endpoint=subject.endpoint)
        subject.file = read_config_file(path) if path else ConfigFile()
        public_context(subject.config)  # raises if the file of CAs has none
        set_in_file = keys_of(path)
    except ConfigError as error:
        raise Problem(str(error).rstrip("."), _advice(subject, str(error))) from None
    except ApiError as error:
        raise Problem(error.message.rstrip("."), _advice(subject, error.message)) from None
    subject.config_is_valid = True
    listed = origins(subject.config, set_in_file, subject.environ, subject.endpoint)
    names = max(len(origin.name) for origin in listed)
    details = [f"{each.name:{names}}  {each.value}  ({each.source})" for each in listed]
    named_by = f", named by {subject.where.named_by}" if subject.where.named_by else ""
    return Finding(f"valid: {path or 'no file'}{named_by}", tuple(details))


def _advice(subject: Subject, problem: str) -> str:
    path, named_by = subject.where.path, subject.where.named_by
    if path and not path.is_file():
        if named_by == "VAST_INTERCEPT_CONFIG":
            return "Have it name the file, or do without one: unset VAST_INTERCEPT_CONFIG"
        return "Name the file that the interceptor uses: vast-intercept check --config PATH"
    if "vast.endpoint:" in problem:
        if subject.endpoint:
            return "It comes from --endpoint: give another name there."
        if subject.environ.get("VAST_ENDPOINT"):
            return "It comes from VAST_ENDPOINT: export VAST_ENDPOINT=NAME"
    return f"Mend it in {path}: an interceptor that runs reads it again by itself."


def look_at_key(subject: Subject) -> Finding:
    """Looks whether there is a Vast API key."""
    config = subject.config
    if config.api_key is None:
        subject.key_is_missing = True
        raise Problem(
            f"there is no Vast API key: {config.api_key_problem}",
            "Here and where the interceptor runs: export VAST_API_KEY=...\n"
            "or in the configuration's file: vast: {api_key: file:~/.config/vast/key}",
        )
    subject.key = config.api_key
    warning = next((each for each in config.warnings if "vast.api_key" in each), "")
    return Finding(f"{config.api_key}, from {_source(subject)}", advice=warning)


def _source(subject: Subject) -> str:
    if subject.environ.get("VAST_API_KEY"):
        return "VAST_API_KEY"
    if subject.config.key_file:
        return str(subject.config.key_file)
    kind, _, name = subject.file.vast.api_key.partition(":")
    return name if kind == "env" else str(subject.where.path)
