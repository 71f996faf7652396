"""The text of a CSV roster file, read while it arrives (QUA-12)."""

from codecs import getincrementaldecoder
from collections.abc import Iterator

from instance_profile.model import Encoding
from qualification_registry.domain.roster_content import RosterContent
from qualification_registry.domain.roster_encoding import count_incomplete_bytes


class RosterText:
    """The text of one file. The attributes tell of what was read so far."""

    def __init__(self, content: RosterContent, encoding: Encoding) -> None:
        self._content = content
        self._encoding = encoding
        self.has_nul = False
        self.ends_with_line_break = False
        # Whether the file ends in the middle of a character: a truncated one may.
        self.is_cut = False

    def read(self) -> Iterator[str]:
        """Yields the text in pieces of whole lines; the last line may lack its line break.

        Raises UnicodeDecodeError.
        """
        codec = "utf-8-sig" if self._encoding is Encoding.UTF_8 else self._encoding.value
        decoder = getincrementaldecoder(codec)()
        rest: list[str] = []
        for piece in self._content.read_pieces():
            self.has_nul = self.has_nul or b"\0" in piece
            text = decoder.decode(piece)
            # Never between the two characters of a line break.
            end = text.rfind("\n") + 1 or text.rfind("\r", 0, -1) + 1
            if end:
                yield "".join((*rest, text[:end]))
                rest.clear()
            rest.append(text[end:])
        self.is_cut = count_incomplete_bytes(decoder.getstate()[0], self._encoding.value) > 0
        if not self.is_cut:
            decoder.decode(b"", final=True)
        last = "".join(rest)
        self.ends_with_line_break = not self.is_cut and last[-1:] in ("", "\r")
        if last:
            yield last
