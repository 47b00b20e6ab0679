"""The firewall's rules as texts: those of the jail, and how each tool is told of a rule."""

import pytest

from vast_intercept.launch.jail.problems import JailError
from vast_intercept.launch.jail.rules import redirect_command
from vast_intercept.launch.redirection import Chain, Rule, Words, iptables_input, nft_table

REFUSE = Words("reject", "-j REJECT")
ALICE = Words("meta skuid 7", "-m owner --uid-owner 7")


def words(text: str) -> list[list[str]]:
    """The words of each line: what is between them does not matter."""
    return [line.split() for line in text.splitlines()]


def test_the_jail_prefers_nft() -> None:
    arguments, text = redirect_command({443, 80, 8443}, {"nft": "/nft", "iptables": "/x"}.get)
    assert arguments == ["/nft", "-f", "-"]
    rules = words(text)[2:4]
    to = "dnat to 127.127.127.127:1"
    assert rules == words(
        f"ip daddr != 127.0.0.0/8 tcp dport {{ 80, 443, 8443 }} {to}\nudp dport 443 {to}"
    )


def test_the_jail_has_the_same_rules_with_iptables() -> None:
    arguments, text = redirect_command({443, 80}, {"iptables-restore": "/restore"}.get)
    assert arguments == ["/restore", "--noflush"]
    to = "-j DNAT --to-destination 127.127.127.127:1"
    assert words(text) == words(
        f"""\
*nat
-A OUTPUT ! -d 127.0.0.0/8 -p tcp --dport 80 {to}
-A OUTPUT ! -d 127.0.0.0/8 -p tcp --dport 443 {to}
-A OUTPUT -p udp --dport 443 {to}
COMMIT"""
    )


def test_without_either_there_is_no_jail() -> None:
    with pytest.raises(JailError, match=r"nft \(or iptables\)"):
        redirect_command({443}, lambda _: None)


def test_a_comment_is_quoted_for_each_tool() -> None:
    rule = Rule("udp", [443], REFUSE, ALICE, "user 7")
    assert rule.for_nft() == 'meta skuid 7 udp dport 443 reject comment "user 7"'
    (line,) = rule.for_iptables("SENT")
    expected = '-A SENT -m owner --uid-owner 7 -p udp --dport 443 -m comment --comment "user 7"'
    assert line == f"{expected} -j REJECT"


def test_a_chain_of_nft_has_the_priority_of_its_kind() -> None:
    chains = [Chain(kind, kind, "output", []) for kind in ("nat", "filter")]
    text = nft_table("inet", chains)
    assert "type nat hook output priority -100" in text
    assert "type filter hook output priority 0" in text


def test_each_table_of_iptables_is_committed_for_itself() -> None:
    text = iptables_input({"filter": [], "nat": ["-F A", "-X A"]})
    assert text == "*filter\nCOMMIT\n*nat\n-F A\n-X A\nCOMMIT\n"
