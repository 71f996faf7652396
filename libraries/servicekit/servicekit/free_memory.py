"""Gives memory that was freed back to the system, after work that needed much of it for a moment."""

import ctypes

# Of malloc.h.
_M_ARENA_MAX = -8


def keep_one_arena() -> None:
    """Has all threads take their memory from one place; call it before there are any.

    glibc gives each of some threads an arena of its own, of which it gives the free end back to nobody. Under the
    interpreter's lock threads hardly ever allocate at the same time. Other C libraries have no arenas (mallopt(3)).
    """
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None:
        choose(_M_ARENA_MAX, 1)


def give_back_free_memory() -> None:
    """Gives whole pages of freed memory back, in some milliseconds and without the interpreter's lock.

    glibc keeps what is freed below anything in use, so that a process stays as large as its largest moment was. Other C
    libraries have no such function (malloc_trim(3)).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
