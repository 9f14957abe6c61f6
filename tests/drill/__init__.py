# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The drill: faults on demand against a real Odoo and a PostgreSQL of its own.

``setup/drill`` runs it; ``docs/reliability.md`` says what the table means. Truth is
counted at gateways outside of Odoo.
"""
