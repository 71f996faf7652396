"""The elements of a page in HTML, and what they say."""

from html.parser import HTMLParser

from typing_extensions import override

# Elements without an end tag.
VOID = {"meta", "link", "input", "br"}


class Elements(HTMLParser):
    """The elements of a page with their attributes, and its text; fails where an element is not closed in its place."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == []

    @override
    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attributes}) == len(attributes)
        self.found.append((tag, dict(attributes)))
        if tag not in VOID:
            self._open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        if data.strip():
            self.text.append(data.strip())

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        """Returns the attributes of each element of these kinds."""
        return [attributes for tag, attributes in self.found if tag in tags]

    def one(self, **wanted: str) -> dict[str, str | None]:
        """Returns the attributes of the one element that has these."""
        (found,) = [each for _, each in self.found if wanted.items() <= each.items()]
        return found
