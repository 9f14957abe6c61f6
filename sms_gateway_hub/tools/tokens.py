# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Tokens and secrets that people type into a phone. Pure Python without ``odoo``."""

import secrets

# Small letters and digits without those that look alike: 0 and o, 1 and l and i.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
# 31 letters hold 4.95 bits each: 128 bits, and 79 bits.
TOKEN_SIZE = 26
SECRET_SIZE = 16


def make_token(size=TOKEN_SIZE):
    """Return a random word that nobody guesses and anybody can type.

    :param int size: letters
    """
    return "".join(secrets.choice(ALPHABET) for _n in range(size))


def make_secret():
    """Return a random secret, shorter than a token: guesses are counted."""
    return make_token(SECRET_SIZE)
