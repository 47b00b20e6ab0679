"""The variables that lead apps to an interceptor, as facts, Java and arithmetic have them."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vast_intercept.certificates.trust_files import CA_VARIABLES, files_in
from vast_intercept.launch.variables import (
    NO_PROXY_VARIABLES,
    PROXY_VARIABLES,
    app_variables,
    bundle_variables,
    proxy_variables,
    trust_variables,
    without_proxies,
)

from ..harness import PROJECT

PROXY = "http://127.0.0.1:8080"
FILES = files_in(Path("/home/me/.mitmproxy/vast-intercept"))

NAMES = st.sampled_from(
    ["PATH", "no_proxy", "NO_PROXY", "HTTPS_PROXY", "SSL_CERT_FILE", "JAVA_TOOL_OPTIONS", "WGETRC"]
)
ENVIRONS = st.dictionaries(NAMES, st.text(st.characters(codec="ascii", exclude_characters="\0")))
#: What is in JAVA_TOOL_OPTIONS already: options apart by one blank.
OPTIONS = st.lists(st.from_regex(r"-D[a-z.]{1,9}=[\w/'\"|-]{0,9}", fullmatch=True)).map(" ".join)


class TestNames:
    def test_all_that_the_facts_know_are_set(self) -> None:
        facts = (PROJECT / "docs" / "facts.md").read_text()
        (fact,) = [line for line in facts.splitlines() if line.startswith("| C2 |")]
        named = set(re.findall(r"`([A-Z][A-Z_]+)`", fact))
        assert len(named) > 7
        assert named <= set(CA_VARIABLES)

    def test_each_names_the_bundle(self) -> None:
        variables = trust_variables(FILES, {})
        for name in CA_VARIABLES:
            assert variables[name] == str(FILES.bundle_for(name))

    @given(ENVIRONS)
    def test_what_the_user_wants_to_call_directly_is_left_as_it_is(
        self, environ: dict[str, str]
    ) -> None:
        variables = app_variables(PROXY, FILES, environ)
        assert {name.lower() for name in PROXY_VARIABLES} < {name.lower() for name in variables}
        for name in NO_PROXY_VARIABLES:
            assert variables[name].startswith(environ.get(name, ""))

    @given(ENVIRONS)
    def test_both_are_the_two_together(self, environ: dict[str, str]) -> None:
        both = app_variables(PROXY, FILES, environ)
        assert set(both) == {*proxy_variables(PROXY, environ), *trust_variables(FILES, environ)}

    @given(ENVIRONS)
    def test_the_second_time_they_are_the_same(self, environ: dict[str, str]) -> None:
        once = app_variables(PROXY, FILES, environ)
        assert app_variables(PROXY, FILES, {**environ, **once}) == once

    def test_without_java_there_is_nothing_that_java_would_talk_of(self) -> None:
        assert "JAVA_TOOL_OPTIONS" not in bundle_variables(FILES, {"JAVA_TOOL_OPTIONS": "-Da=b"})

    @given(st.dictionaries(st.sampled_from(["Http_Proxy", "no_proxy", "proxy", "A"]), st.text()))
    def test_without_proxies_all_else_stays(self, environ: dict[str, str]) -> None:
        kept = without_proxies(environ)
        assert kept == {name: environ[name] for name in ("proxy", "A") if name in environ}

    def test_without_proxies_whatever_their_case(self) -> None:
        names = ("http", "https", "all", "no", "grpc")
        environ = dict.fromkeys([f"{name}_proxy" for name in names], "x")
        assert without_proxies(environ | {name.upper(): "x" for name in environ}) == {}


class TestJavaOptions:
    @given(OPTIONS)
    def test_those_that_are_there_come_first(self, there: str) -> None:
        options = app_variables(PROXY, FILES, {"JAVA_TOOL_OPTIONS": there})["JAVA_TOOL_OPTIONS"]
        assert options.startswith(f"{there} -Dhttp.proxyHost=127.0.0.1 " if there else "-Dhttp.")

    @given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"]), min_size=1))
    def test_a_folder_of_any_name_is_one_option(self, name: str) -> None:
        files = files_in(Path("/", name))
        (*_, last) = shlex.split(app_variables(PROXY, files, {})["JAVA_TOOL_OPTIONS"])
        assert last == f"-Djavax.net.ssl.trustStore={files.java}"

    def test_another_port_counts_for_more_than_the_one_before(self) -> None:
        before = app_variables(PROXY, FILES, {})
        options = app_variables("http://127.0.0.1:80", FILES, before)["JAVA_TOOL_OPTIONS"]
        ports = re.findall(r"https\.proxyPort=(\d+)", options)
        assert ports == ["8080", "80"]


#: Shows what the JVM has made of the variable: some properties, then what becomes of each URL.
JAVA = """
import java.net.ProxySelector;
import java.net.URI;

class Show {
    public static void main(String[] arguments) {
        for (String name : new String[] {
            "mine", "https.proxyHost", "https.proxyPort", "http.nonProxyHosts",
            "javax.net.ssl.trustStore"})
            System.out.println(name + "=" + System.getProperty(name));
        for (String url : arguments) {
            var proxies = ProxySelector.getDefault().select(URI.create(url));
            System.out.println(url + "=" + proxies.get(0));
        }
    }
}
"""


class TestJava:
    """The JVM itself."""

    @pytest.mark.parametrize(
        "folder", ["/plain", "/some where else", "/it's", '/"quoted" it\'s', "/$HOME `id` \\ | *"]
    )
    def test_sees_the_property_whole(self, folder: str) -> None:
        files = files_in(Path(folder))
        variables = app_variables(PROXY, files, {"JAVA_TOOL_OPTIONS": "-Dmine='one two'"})
        done = subprocess.run(
            ["java", "-XshowSettings:properties", "-version"],
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **variables},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        lines = [line.strip() for line in done.stderr.splitlines()]
        assert f"javax.net.ssl.trustStore = {files.java}" in lines
        assert "mine = one two" in lines
        for scheme in ("http", "https"):
            assert f"{scheme}.proxyHost = 127.0.0.1" in lines
            assert f"{scheme}.proxyPort = 8080" in lines

    def test_goes_past_the_proxy_where_no_proxy_says_so(self, tmp_path: Path) -> None:
        source = tmp_path / "Show.java"
        source.write_text(JAVA)
        directly = [
            "https://intranet/",
            "https://git.corp.example/",
            "https://localhost/",
            "https://127.0.0.1/",
        ]
        through = ["https://api.openai.com/", "https://intranet.example/", "http://10.1.2.3/"]
        environ = {
            "no_proxy": "intranet, .corp.example,10.0.0.0/8",
            "JAVA_TOOL_OPTIONS": "-Dmine=1",
        }
        done = subprocess.run(
            ["java", str(source), *directly, *through],
            env={"PATH": os.environ["PATH"], **app_variables(PROXY, FILES, environ)},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        shown = dict(line.split("=", 1) for line in done.stdout.splitlines())
        assert {url: shown.pop(url) for url in directly} == dict.fromkeys(directly, "DIRECT")
        for url in through:
            assert re.fullmatch(r"HTTP @ .*127\.0\.0\.1.*:8080", shown.pop(url))
        assert shown == {
            "mine": "1",
            "https.proxyHost": "127.0.0.1",
            "https.proxyPort": "8080",
            "http.nonProxyHosts": "localhost|127.*|[::1]|intranet|*.corp.example",
            "javax.net.ssl.trustStore": str(FILES.java),
        }
