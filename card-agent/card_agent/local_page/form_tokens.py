"""Form tokens: each form of a page is good once, and posted again it gets the first answer."""

import secrets
from dataclasses import dataclass, field

from card_agent.local_page.streamed import PostedAnswer
from card_agent.local_page.views import Form

# Of one hand-off. A person who goes back further than this has to open the page anew.
_MOST_FORMS = 50
_TOKEN_BYTES = 32


@dataclass(slots=True)
class IssuedForm:
    """A form that was shown: where it is posted to, what it is about, and the answers to it by what was chosen.

    A form has one answer, but that of the first page, where each portal has its own.
    """

    action: str
    content: object = field(repr=False)
    answers: dict[str, PostedAnswer] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class Forms:
    """The forms that may be posted."""

    _issued: dict[str, IssuedForm] = field(default_factory=dict, repr=False)

    def issue(self, action: str, content: object) -> Form:
        """Returns a new form of a page, which is about `content`."""
        while len(self._issued) >= _MOST_FORMS:
            del self._issued[next(iter(self._issued))]
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._issued[token] = IssuedForm(action, content)
        return Form(action, token)

    def find(self, action: str, token: str) -> IssuedForm | None:
        """Returns the form with this token; None if it was never issued here, or is too old."""
        form = self._issued.get(token)
        return form if form is not None and form.action == action else None
