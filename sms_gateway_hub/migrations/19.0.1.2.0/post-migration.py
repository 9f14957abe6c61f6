# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

from odoo import SUPERUSER_ID, api

from odoo.addons.sms_gateway_hub import const

# Who wrote longer ago begins anew with the next text.
DAYS = 30


def migrate(cr, version):
    """Make conversations of the texts that came in lately.

    Nobody is asked to answer old texts: where the person wrote last the conversation is
    closed, and opens with the next text. Whoever texted the number last owns it.
    """
    env = api.Environment(cr, SUPERUSER_ID, {})
    cr.execute(
        """
        INSERT INTO sms_conversation
                    (number, company_id, partner_id, gateway_id, user_id, owner_reason,
                     state, last_at, last_direction, last_body, create_uid, create_date,
                     write_uid, write_date)
             SELECT heard.number, heard.company_id, heard.partner_id, heard.gateway_id,
                    writer.id, CASE WHEN writer.id IS NOT NULL THEN %(reason)s END,
                    CASE last.direction WHEN 'outgoing' THEN 'waiting'
                                        ELSE 'closed' END,
                    last.create_date, last.direction,
                    left(btrim(regexp_replace(last.body, '\\s+', ' ', 'g')), %(size)s),
                    %(uid)s, now() AT TIME ZONE 'UTC', %(uid)s,
                    now() AT TIME ZONE 'UTC'
               FROM (SELECT DISTINCT ON (message.number, company.id)
                            message.number, company.id AS company_id,
                            message.partner_id, message.gateway_id
                       FROM sms_gateway_message AS message
                  LEFT JOIN sms_gateway AS gateway ON gateway.id = message.gateway_id
                  LEFT JOIN res_users AS responsible
                         ON responsible.id = gateway.responsible_user_id
                       JOIN res_company AS company
                         ON company.id = coalesce(
                                message.company_id, gateway.company_id,
                                responsible.company_id, %(company)s)
                      WHERE message.direction = 'incoming' AND message.number <> ''
                        AND message.create_date
                            > now() AT TIME ZONE 'UTC' - %(days)s * interval '1 day'
                   ORDER BY message.number, company.id, message.id DESC) AS heard
         CROSS JOIN LATERAL (
                    SELECT direction, body, create_date FROM sms_gateway_message
                     WHERE number = heard.number
                       AND (company_id = heard.company_id OR company_id IS NULL)
                       AND (direction = 'incoming' OR kind = ANY(%(kinds)s))
                  ORDER BY id DESC LIMIT 1) AS last
          LEFT JOIN LATERAL (
                    SELECT author.id
                      FROM sms_gateway_message AS message
                      JOIN res_users AS author ON author.id = message.author_id
                      JOIN res_company_users_rel AS member
                        ON member.user_id = author.id
                       AND member.cid = heard.company_id
                     WHERE message.number = heard.number
                       AND message.company_id = heard.company_id
                       AND message.direction = 'outgoing'
                       AND message.kind = ANY(%(kinds)s)
                       AND author.active AND author.share IS NOT TRUE
                       AND author.id <> %(uid)s
                  ORDER BY message.id DESC LIMIT 1) AS writer ON TRUE
        ON CONFLICT (number, company_id) DO NOTHING
        """,
        {
            "reason": env._("Texted this number last"),
            "size": const.PREVIEW_SIZE,
            "uid": SUPERUSER_ID,
            "company": env.user.company_id.id,
            "days": DAYS,
            "kinds": list(const.PERSONAL_KINDS),
        },
    )
    # It has entries of its own now, and must not open one by itself.
    analysis = env.ref(
        "sms_gateway_hub.menu_sms_gateway_analysis", raise_if_not_found=False
    )
    if analysis:
        analysis.action = False
