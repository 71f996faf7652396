"""The name by which a company is shown and addressed (QUA-07)."""


def write_full_name(name: str, branch: str | None) -> str:
    """Returns a company's name with the branch (支店名等) to which bidding is delegated: 〇〇建設　さいたま支店."""
    return f"{name}　{branch}" if branch else name
