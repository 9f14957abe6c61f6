# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).


def to_array(values):
    """Write values as PostgreSQL writes an array, for a parameter that is cast to one.

    The driver would write ``ARRAY['a', …]``, which it and PostgreSQL take apart as an
    expression, element by element: for thousands of values that is what costs.

    :param values: iterable of str, int, float, bool, datetime or None
    :return: str, e.g. ``{"a",NULL}``
    """
    return "{%s}" % ",".join(
        [
            "NULL"
            if value is None
            else '"%s"' % str(value).replace("\\", "\\\\").replace('"', '\\"')
            for value in values
        ]
    )
