# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""Find what a person wrote in the answer to an e-mail: no quotes, no signature."""
