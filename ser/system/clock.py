"""Times as a clock shows them."""


def clock(seconds: float, decimals: int = 0) -> str:
    """Minutes and seconds, hours where there are some.

    >>> clock(41.2), clock(3723), clock(75.25, 1), clock(59.96, 1)
    ('0:41', '1:02:03', '1:15.2', '1:00.0')
    """
    unit = 10**decimals
    minutes, rest = divmod(round(seconds * unit), 60 * unit)
    words = f"{rest / unit:0{3 + decimals if decimals else 2}.{decimals}f}"
    return f"{minutes // 60}:{minutes % 60:02}:{words}" if minutes >= 60 else f"{minutes}:{words}"


def duration(seconds: float) -> str:
    """A readable time.

    >>> duration(0.4), duration(75), duration(400), duration(9000)
    ('1 s', '75 s', '7 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
