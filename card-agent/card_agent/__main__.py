"""`python -m card_agent` is the command `card-agent`."""

from card_agent.command import main

if __name__ == "__main__":
    main()
