"""The environment variables by which common runtimes use and trust an interceptor: pure."""

import re
import shlex
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..certificates.trust_files import CA_VARIABLES, TrustFiles

# `no_proxy` is among them: without a proxy there are no exceptions from it.
_PROXY_NAMES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "grpc_proxy"}
PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "grpc_proxy")
# Only with these do Node.js, Perl's LWP and Mojolicious read the variables above (FACTS C1, C11).
_USE_PROXY_VARIABLES = ("NODE_USE_ENV_PROXY", "PERL_LWP_ENV_PROXY", "MOJO_PROXY")
NO_PROXY_VARIABLES = ("no_proxy", "NO_PROXY")


def proxy_variables(proxy: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which runtimes use `proxy` (`http://host:port`).

    `environ` is what the app would have without them. `no_proxy` keeps what it has, and gets the
    proxy itself. Otherwise Node.js connects to the proxy through the proxy, which fails for clients
    that find their proxy on their own (FACTS C10).
    """
    host, _, port = urlsplit(proxy).netloc.rpartition(":")
    options = []
    for scheme in ("http", "https"):
        options += [f"-D{scheme}.proxyHost={host}", f"-D{scheme}.proxyPort={port}"]
    own = f"{host}:{port}"
    kept = {name: _without(environ.get(name, ""), own) for name in NO_PROXY_VARIABLES}
    if direct := next(filter(None, kept.values()), ""):
        options.append(f"-Dhttp.nonProxyHosts={_java_hosts(direct)}")
    return {
        **dict.fromkeys(PROXY_VARIABLES, proxy),
        **{name: _with(value or direct, own) for name, value in kept.items()},
        **dict.fromkeys(_USE_PROXY_VARIABLES, "1"),
        "JAVA_TOOL_OPTIONS": _java_options(environ, options),
    }


def trust_variables(files: TrustFiles, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which runtimes trust the interceptor's CA."""
    options = [f"-Djavax.net.ssl.trustStore={files.java}"]
    return bundle_variables(files, environ) | {"JAVA_TOOL_OPTIONS": _java_options(environ, options)}


def bundle_variables(files: TrustFiles, environ: Mapping[str, str]) -> dict[str, str]:
    """Those of `trust_variables` without Java's, which each JVM reports on standard error."""
    scanned = environ.get("PHP_INI_SCAN_DIR", "").removesuffix(f":{files.php}")
    return {
        **{name: str(files.bundle_for(name)) for name in CA_VARIABLES},
        "WGETRC": str(files.wgetrc),
        # An empty part means the folder that PHP was built with.
        "PHP_INI_SCAN_DIR": f"{scanned}:{files.php}",
    }


def app_variables(proxy: str, files: TrustFiles, environ: Mapping[str, str]) -> dict[str, str]:
    """All variables for an app: proxy and trust. `environ` is its environment without them."""
    using = proxy_variables(proxy, environ)
    return using | trust_variables(files, {**environ, **using})


def without_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without proxies, for an app whose connections are redirected anyway."""
    return {name: value for name, value in environ.items() if name.lower() not in _PROXY_NAMES}


def _with(hosts: str, host: str) -> str:
    if hosts.strip() == "*":
        return hosts  # many clients understand `*` only if it stands alone
    return f"{hosts},{host}" if hosts else host


def _without(hosts: str, host: str) -> str:
    """A list of hosts without `host`: `env` may be called where it was called before."""
    return ",".join(each for each in hosts.split(",") if each.strip() != host)


def _java_options(environ: Mapping[str, str], options: list[str]) -> str:
    """JAVA_TOOL_OPTIONS with these options at the end: of two equal ones, Java takes the last."""
    # The JVM understands quotes as a shell does. They are single, since not every reader of dotenv
    # files understands an escaped quote within double ones.
    quoted = [shlex.quote(option) for option in options]
    there = environ.get("JAVA_TOOL_OPTIONS", "")
    for option in quoted:  # added by an earlier call
        there = re.sub(rf"(?<!\S){re.escape(option)}(?!\S) ?", "", there)
    return " ".join(filter(None, [there.rstrip(), *quoted]))


def _java_hosts(no_proxy: str) -> str:
    """`no_proxy` in Java's form: hosts with `|` between them, and `*` for any start or end."""
    hosts = ["localhost", "127.*", "[::1]"]
    for host in no_proxy.split(","):
        name = host.strip()
        if name.startswith("."):
            hosts.append(f"*{name}")
        elif name and "/" not in name:
            hosts.append(name)
    return "|".join(dict.fromkeys(hosts))
