"""The environment variables that make common runtimes use and trust an interceptor: pure."""

import re
import shlex
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..certificates.trust_files import CA_VARIABLES, TrustFiles

# With `no_proxy` gone, too, nothing is told from what was meant for a proxy that is not used.
_PROXY_NAMES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "grpc_proxy"}
PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "grpc_proxy")
# Node.js, Perl's LWP and Mojolicious look at the others only with these (FACTS C1, C11).
_USE_PROXY_VARIABLES = ("NODE_USE_ENV_PROXY", "PERL_LWP_ENV_PROXY", "MOJO_PROXY")
NO_PROXY_VARIABLES = ("no_proxy", "NO_PROXY")


def proxy_variables(proxy: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What has runtimes use the proxy (`http://host:port`).

    `no_proxy` stays as it is but for the proxy itself, to which Node goes through the proxy
    otherwise: clients that find their proxy on their own and connect to it fail (FACTS C10).
    """
    host, port = _host_and_port(proxy)
    java = [f"-D{scheme}.proxy{what}" for scheme in ("http", "https") for what in ("Host", "Port")]
    values = [host, port] * 2
    options = [f"{name}={value}" for name, value in zip(java, values, strict=True)]
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
    """What has runtimes trust the interceptor's CA."""
    options = [f"-Djavax.net.ssl.trustStore={files.java}"]
    return bundle_variables(files, environ) | {"JAVA_TOOL_OPTIONS": _java_options(environ, options)}


def bundle_variables(files: TrustFiles, environ: Mapping[str, str]) -> dict[str, str]:
    """The same without Java's, which has the JVM say so on standard error."""
    scanned = environ.get("PHP_INI_SCAN_DIR", "").removesuffix(f":{files.php}")
    return {
        **{name: str(files.bundle_for(name)) for name in CA_VARIABLES},
        "WGETRC": str(files.wgetrc),
        # An empty part stands for the folder that PHP was built with.
        "PHP_INI_SCAN_DIR": f"{scanned}:{files.php}",
    }


def app_variables(proxy: str, files: TrustFiles, environ: Mapping[str, str]) -> dict[str, str]:
    """Both. `environ` is what the app would have without them."""
    using = proxy_variables(proxy, environ)
    return using | trust_variables(files, {**environ, **using})


def without_proxies(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of an app whose connections are redirected whatever it does."""
    return {name: value for name, value in environ.items() if name.lower() not in _PROXY_NAMES}


def _with(hosts: str, host: str) -> str:
    if hosts.strip() == "*":
        return hosts  # which many clients understand only by itself
    return f"{hosts},{host}" if hosts else host


def _without(hosts: str, host: str) -> str:
    """A list of hosts without one of them: `env` may be called where it was called before."""
    return ",".join(each for each in hosts.split(",") if each.strip() != host)


def _host_and_port(proxy: str) -> tuple[str, str]:
    host, _, port = urlsplit(proxy).netloc.rpartition(":")
    return host, port


def _java_options(environ: Mapping[str, str], options: list[str]) -> str:
    """Behind those that are there: of two that say the same, Java takes the last."""
    # The JVM understands quotes as a shell does. Single ones, since within dotenv's double quotes
    # not all that read it know of an escaped one.
    quoted = [shlex.quote(option) for option in options]
    there = environ.get("JAVA_TOOL_OPTIONS", "")
    for option in quoted:  # they are not to pile up
        there = re.sub(rf"(?<!\S){re.escape(option)}(?!\S) ?", "", there)
    return " ".join(filter(None, [there.rstrip(), *quoted]))


def _java_hosts(no_proxy: str) -> str:
    """`no_proxy` in Java's form: `|` between, `*` for any beginning or end."""
    hosts = ["localhost", "127.*", "[::1]"]
    for host in no_proxy.split(","):
        name = host.strip()
        if name.startswith("."):
            hosts.append(f"*{name}")
        elif name and "/" not in name:
            hosts.append(name)
    return "|".join(dict.fromkeys(hosts))
