"""How many files the processes of an instance may open: a connection is one, and they inherit the launcher's limit."""

import resource

# What an instance needs for the connections that its front door admits, 2,000, with room.
LEAST_FILES = 4096


def raise_file_limit() -> int:
    """Raises the limit to the hard one, and that to LEAST_FILES where the user may; returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < LEAST_FILES:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (LEAST_FILES, LEAST_FILES))
        except (ValueError, PermissionError):
            # Only root may raise a hard limit.
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            return hard
        return LEAST_FILES
    wanted = LEAST_FILES if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return LEAST_FILES if soft == resource.RLIM_INFINITY else soft


def describe_shortage(limit: int) -> str:
    """Returns what a limit below LEAST_FILES means, and what to do; empty where the limit is enough."""
    if limit >= LEAST_FILES:
        return ""
    return (
        f"This machine lets a process open {limit} files, so the front door can't serve 2,000 connections: "
        f"set the hard limit to {LEAST_FILES} (ulimit -Hn, LimitNOFILE) to try that."
    )
