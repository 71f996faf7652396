"""The agent's pages on 127.0.0.1, by which a portal has a card read and a purpose signed (docs/hand-off.md).

render         makes HTML of a view, whole or streamed in two parts
page_words     the words that the pages themselves have
views          what each page shows, as data
"""
