"""How much a call may hold. A call within these limits blocks the event loop for milliseconds."""

_KIB, _MIB = 1024, 1024 * 1024

#: Bytes of a body that is read without waiting for a turn. Many may come at the same moment.
READ_TOGETHER = 16 * _KIB

#: Bytes of a body that is decoded without an outline, whatever it holds.
READ_AT_ONCE = 128 * _KIB

#: Bytes of a body that is decoded without an outline if it holds few values.
READ_IF_SIMPLE = 1 * _MIB

#: Values of a body that counts as simple.
FEW_VALUES = 50_000

#: Bytes of a body besides its long texts and its long lists of whole numbers.
MAX_STRUCTURE = 4 * _MIB

#: Members of the body itself. OpenAI's API knows about forty.
MAX_MEMBERS = 1_000

#: Messages; and entries of all other lists and objects that are members of the body.
MAX_MESSAGES = 20_000

#: Content parts of all messages together.
MAX_PARTS = 20_000

#: Messages whose role is renamed.
MAX_RENAMED = 1_000

#: Bytes of a compressed body once it is decompressed.
MAX_DECOMPRESSED = 16 * _MIB

#: Bytes of bodies that all calls together hold at a time. Beyond, calls are answered with a 503.
MAX_HELD_BY_ALL = 256 * _MIB

#: Bytes that each call may hold in any case, so that large calls, or calls that only announce a
#: large body, cannot keep small ones out.
ALWAYS_HELD = 128 * _KIB

#: Bytes that are processed in one step. Between two steps other calls have their turn.
STEP = 64 * _KIB

#: Bytes of a body that mitmproxy holds in one piece, to show it, to save it, and for other addons
#: to look into. A larger one passes through it piece by piece.
MAX_HELD = 8 * _MIB

#: Bytes of a body, or of a whole answer, of another API than chat and text completions. It is
#: converted in one go.
MAX_BRIDGED = 8 * _MIB

#: Bytes of a file that is uploaded, bytes of such a body, and files in it: what Vast's worker takes
#: (FACTS V17).
MAX_FILE = 25 * _MIB
MAX_UPLOAD = 64 * _MIB
MAX_FILES = 16

#: Fields of an upload that are no files, and bytes of each and of all of them, heads included.
MAX_FIELDS = 100
MAX_FIELD = 128 * _KIB
MAX_ALL_FIELDS = 1 * _MIB
