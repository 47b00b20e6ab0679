"""What is sent in a row goes out in one piece."""

from mitmproxy.connection import Server
from mitmproxy.proxy import commands
from mitmproxy.proxy.layer import CommandGenerator

from vast_intercept.mitm.http_server import sent_together

ONE, OTHER = (Server(address=("a.test", port)) for port in (1, 2))


def sent(*parts: commands.Command) -> list[commands.Command]:
    """What comes out for what a layer has yielded."""

    def layer() -> CommandGenerator[None]:
        yield from parts

    return list(sent_together(layer()))


def told(each: commands.Command) -> object:
    """A command that can be compared."""
    if isinstance(each, commands.SendData):
        return each.connection.address, each.data
    return type(each)


def test_head_and_body_are_one_piece() -> None:
    parts = [commands.SendData(ONE, data) for data in (b"head", b"body", b"end")]
    assert [told(each) for each in sent(*parts)] == [(ONE.address, b"headbodyend")]


def test_each_connection_gets_its_own_in_the_order_of_all() -> None:
    came = sent(
        commands.SendData(ONE, b"1"),
        commands.SendData(ONE, b"2"),
        commands.SendData(OTHER, b"3"),
        commands.CloseConnection(ONE),
        commands.SendData(ONE, b"4"),
    )
    assert [told(each) for each in came] == [
        (ONE.address, b"12"),
        (OTHER.address, b"3"),
        commands.CloseConnection,
        (ONE.address, b"4"),
    ]


def test_what_is_large_is_not_copied() -> None:
    head, body = commands.SendData(ONE, b"head"), commands.SendData(ONE, bytes(65_536))
    assert sent(head, body) == [head, body]
