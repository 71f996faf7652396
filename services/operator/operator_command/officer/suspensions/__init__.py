"""Cards and bidders that officers suspend and resume, and bindings that they undo.

- `command`: the command line: `toroku suspend`, `toroku resume`, `toroku binding`, `toroku cards`
- `cards`: cards, in certificate-registry
- `card_words`: a card in lines
- `bidders`: bidders, in qualification-registry
"""
