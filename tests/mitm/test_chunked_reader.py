"""The body of a request that comes in chunks."""

import h11
from h11._receivebuffer import ReceiveBuffer

from vast_intercept.mitm.http_server import _AppChunkedReader


def test_chunks_that_are_there_come_out_as_one_and_trailers_do_not() -> None:
    reader, received = _AppChunkedReader(), ReceiveBuffer()
    received += b"1\r\na\r\n2;x=y\r\nbc\r\n3\r\nd"
    assert reader(received) == h11.Data(data=b"abcd")
    assert reader(received) is None
    received += b"ef\r\n0\r\nX: y\r\n\r\nGET"
    assert reader(received) == h11.Data(data=b"ef")
    assert reader(received) == h11.EndOfMessage()
    assert bytes(received) == b"GET"
