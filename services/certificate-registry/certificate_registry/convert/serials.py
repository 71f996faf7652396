"""Serial numbers that a person names."""

from certificate_registry.domain.predecessor import refuse_unknown

# Of 20 bytes.
_MOST_DIGITS = 49


def read_serial(serial_decimal: str) -> bytes | None:
    """Returns the serial number of a card that may be named; raises PREDECESSOR_UNKNOWN for what no card has."""
    if not serial_decimal:
        return None
    if len(serial_decimal) > _MOST_DIGITS or not (serial_decimal.isascii() and serial_decimal.isdigit()):
        raise refuse_unknown()
    number = int(serial_decimal)
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
