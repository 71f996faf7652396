"""The card agent's texts of `serve` and `trust`: what a start and a decision about whom to trust say."""

from card_agent.console.words import Words

ALREADY_RUNNING = Words(
    "カードエージェントはすでに起動しています。ブラウザーの画面をご覧ください。",
    "The card agent is running already. See your browser.",
)
