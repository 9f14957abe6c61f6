# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""The hub's vocabulary: states, transitions, failure types and limits.

Gateways map their provider's words into these tables, never the other way round.
Labels are translated with the selection fields that use them.
"""

from datetime import datetime, timedelta

# --------------------------------------------------------------------------
# Messages
# --------------------------------------------------------------------------

MESSAGE_STATES = [
    ("queued", "Queued"),
    ("sending", "Sending"),
    ("sent", "Sent"),
    ("delivered", "Delivered"),
    ("undelivered", "Not delivered"),
    ("expired", "Expired"),
    ("failed", "Failed"),
    ("unconfirmed", "Unconfirmed"),
    ("canceled", "Cancelled"),
    ("received", "Received"),
]

# The one table of allowed transitions: every writer obeys it. A state without a
# successor is final, so a late report can never move a message backwards.
TRANSITIONS = {
    "queued": frozenset({"sending", "canceled", "expired", "failed"}),
    # "canceled" and "expired" by the gate, which is asked again at the claim.
    "sending": frozenset(
        {"queued", "sent", "failed", "unconfirmed", "canceled", "expired"}
    ),
    "sent": frozenset({"delivered", "undelivered", "expired"}),
    "unconfirmed": frozenset({"sent", "delivered", "undelivered", "expired", "failed"}),
    "delivered": frozenset(),
    "undelivered": frozenset(),
    "expired": frozenset(),
    "failed": frozenset(),
    "canceled": frozenset(),
    "received": frozenset(),
}
FINAL_STATES = frozenset(state for state, after in TRANSITIONS.items() if not after)
# Nothing reached the recipient, for sure: a new message may take its place.
RETRYABLE_STATES = frozenset({"failed", "expired", "canceled"})

# "1" sorts first: the order of the queue is priority, due time, id.
PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW = "1", "2", "3"
PRIORITIES = [
    (PRIORITY_HIGH, "High"),
    (PRIORITY_NORMAL, "Normal"),
    (PRIORITY_LOW, "Low"),
]

MESSAGE_KINDS = [
    ("single", "Single"),
    ("broadcast", "Mass text"),
    ("reply", "Reply"),
    ("automatic", "Automatic"),
    # Exchanged outside of the system and noted by hand: it has no gateway.
    ("logged", "Logged by hand"),
]

# What a text is for. Consent may be given or refused for marketing alone.
PURPOSES = [
    ("marketing", "Marketing"),
    ("transactional", "Service"),
    ("conversational", "Conversation"),
]

PURPOSE_OF_KIND = {
    "single": "conversational",
    "reply": "conversational",
    "automatic": "transactional",
    "broadcast": "marketing",
}

# When what is held for a decision of somebody is due: not by itself.
NEVER = datetime(9999, 1, 1)
# Due times from here on mean never: sums of spans are not exact to the second.
FAR_OFF = datetime(9998, 1, 1)
# Why a queued message waits although its gateway is in service.
HOLD_TYPES = [
    ("quiet_hours", "Quiet hours where the recipient is"),
    ("possible_opt_out", "Its recipient may have asked for no more texts"),
    ("broadcast_paused", "Its broadcast is paused"),
    ("daily_limit", "Its number got as many texts today as its gateway allows"),
]

DIRECTIONS = [("outgoing", "Outgoing"), ("incoming", "Incoming")]

# Why a message did not reach its recipient: the words and, beside them, the
# failure type of core's sms.sms, notifications and traces that stands for it.
FAILURE_TYPES = [
    ("number_missing", "No number"),
    ("number_invalid", "Not a valid number"),
    ("number_dead", "Number does not exist or cannot receive texts"),
    ("empty", "Empty text"),
    ("too_long", "Text too long"),
    ("unreadable", "Text could not be built"),
    ("blacklisted", "Blacklisted number"),
    ("opted_out", "Recipient opted out"),
    ("no_consent", "No consent on record"),
    ("duplicate", "Duplicate"),
    ("test_mode", "Gateway in test mode"),
    ("rejected", "Refused by the gateway"),
    ("country", "Country not served"),
    ("expired", "Validity ended"),
    ("not_delivered", "Not delivered"),
    ("not_reached", "Gateway could not be reached"),
    ("account", "Gateway account problem"),
    ("unknown_outcome", "Unknown outcome"),
    ("canceled", "Cancelled by a user"),
    ("broadcast_canceled", "Broadcast cancelled"),
    ("no_gateway", "No gateway for this recipient"),
    ("gateway_removed", "Gateway removed"),
    ("unknown", "Unknown error"),
]

# Our failure type -> failure type of core's mail.notification and mailing.trace.
CORE_FAILURE_TYPES = {
    "number_missing": "sms_number_missing",
    "number_invalid": "sms_number_format",
    "number_dead": "sms_invalid_destination",
    "blacklisted": "sms_blacklist",
    "opted_out": "sms_optout",
    "no_consent": "sms_optout",
    "duplicate": "sms_duplicate",
    "no_gateway": "sms_server",
    "rejected": "sms_rejected",
    "country": "sms_country_not_supported",
    "expired": "sms_expired",
    "not_delivered": "sms_not_delivered",
    "not_reached": "sms_server",
    "account": "sms_acc",
}

# Our state -> state of core's sms.sms, of which its notification and trace states
# follow. "unconfirmed" stays "processing" for core: it is neither sent nor failed.
CORE_STATES = {
    "queued": "process",
    "sending": "process",
    "unconfirmed": "process",
    "sent": "pending",
    "delivered": "sent",
    "undelivered": "error",
    "failed": "error",
    "expired": "error",
    "canceled": "canceled",
}

# --------------------------------------------------------------------------
# Numbers and consent
# --------------------------------------------------------------------------

MOBILE_LABELS = [
    ("mobile", "Mobile"),
    ("work", "Work"),
    ("home", "Home"),
    ("other", "Other"),
]
# Names of phonenumbers.PhoneNumberType that matter here; all others are "other".
LINE_TYPES = [
    ("mobile", "Mobile"),
    ("fixed", "Landline"),
    ("fixed_or_mobile", "Landline or mobile"),
    ("voip", "Internet"),
    ("other", "Other"),
]

# What a row of the consent ledger says: what the person said, what the staff did with
# Odoo's blacklist, and what is only told. Neither of the first two undoes the other.
CONSENT_ACTS = [
    ("opted_in", "Agreed"),
    ("opted_out", "Refused"),
    ("blacklisted", "Blacklisted"),
    ("cleared", "Block lifted"),
    ("asked", "Asked"),
    ("possible_opt_out", "May have refused"),
    ("not_opt_out", "Did not refuse"),
    ("help", "Asked for help"),
]
SAID_ACTS = ("opted_in", "opted_out")
BLACKLIST_ACTS = ("blacklisted", "cleared")
DECIDING_ACTS = SAID_ACTS + BLACKLIST_ACTS
DOUBT_ACTS = (*SAID_ACTS, "possible_opt_out", "not_opt_out")
CONSENT_METHODS = [
    ("keyword", "By text"),
    ("form", "Web form"),
    ("import", "Import"),
    ("in_person", "In person"),
    ("phone", "On the phone"),
    ("document", "Document"),
    ("api", "Program"),
    ("blacklist", "Odoo's blacklist"),
    ("gateway", "Told by the gateway"),
]
CONSENT_SCOPES = [("all", "All texts"), ("marketing", "Marketing")]
CONSENT_STATES = [
    ("none", "Nothing on record"),
    ("asked", "Asked"),
    ("opted_in", "Agreed"),
    ("opted_out", "Refused"),
]
CONSENT_POLICIES = [
    ("opt_out", "Everybody who has not refused"),
    ("opt_in_marketing", "Marketing only to people who agreed"),
    ("opt_in", "Only people who agreed"),
]
KEYWORD_FAMILIES = [
    ("stop", "Stop: refuses"),
    ("start", "Start: agrees"),
    ("confirm", "Yes: agrees when asked"),
    ("help", "Help: is answered"),
    ("own", "Own word: is answered, and rules know it"),
]
# A question for consent is open for so long, and is not repeated before, in hours.
QUESTION_OPEN_H = 7 * 24
QUESTION_AGAIN_H = 24
# Whose question ended so was not asked.
NOT_ASKED_STATES = ("failed", "undelivered", "expired", "canceled")
# Somebody who texted us may be answered without consent on record, in hours, and
# through quiet hours, in minutes.
CONVERSATION_H = 72
AWAKE_MIN = 60
# Automatic answers that one number gets within an hour, so that two machines do not
# talk for ever. Twice as many may confirm a STOP.
ANSWERS_PER_H = 6

# --------------------------------------------------------------------------
# Conversations
# --------------------------------------------------------------------------

CONVERSATION_STATES = [
    ("to_answer", "To answer"),
    ("waiting", "Waiting"),
    ("closed", "Closed"),
]
# Stands for the sender of a text whose gateway named none.
NO_NUMBER = "?"
# Kinds of outgoing texts that a person wrote to one person: they answer.
PERSONAL_KINDS = frozenset({"single", "reply", "logged"})
# Within how many hours a text shall be answered, unless its gateway says otherwise.
ANSWER_TIME_H = 4.0
# A conversation that nobody goes on with is closed after so many days.
CLOSE_AFTER_DAYS = 14
# E-mails that tell the owner of one conversation's texts, within an hour.
MAILS_PER_H = 20
# The words for "we are closed" go to one number once in so many hours.
AWAY_AGAIN_H = 12
# Characters of the last text in lists.
PREVIEW_SIZE = 120
# A link to the reply page works for so many days.
REPLY_LINK_DAYS = 7
# Texts that one link may send within an hour, and wrong links from one address
# within a minute.
REPLIES_PER_H = 30
GUESSES_PER_MIN = 20

# --------------------------------------------------------------------------
# Broadcasts
# --------------------------------------------------------------------------

BROADCAST_STATES = [
    ("draft", "Draft"),
    ("checking", "Checking"),
    ("checked", "Checked"),
    ("scheduled", "Scheduled"),
    ("running", "Running"),
    ("paused", "Paused"),
    ("done", "Done"),
    ("canceled", "Cancelled"),
]
# Recipients of one transaction: as many records as Odoo reads at once.
BROADCAST_CHUNK = 1000
BROADCAST_BUDGET_S = 5.0
# Expansion rests while so many texts wait at the gateway.
BROADCAST_AHEAD = 10_000

# --------------------------------------------------------------------------
# Gateways
# --------------------------------------------------------------------------

GATEWAY_STATES = [
    ("disabled", "Disabled"),
    ("test", "Test"),
    ("enabled", "Enabled"),
]

GATEWAY_FEATURES = frozenset(
    {
        "delivery_report",
        "inbound",
        "balance",
        "sender",
        "validity",
        "schedule",
        "lookup",
        "coverage",
    }
)

# --------------------------------------------------------------------------
# Sending: times in seconds
# --------------------------------------------------------------------------

# Outlasts Odoo's worker limit (120 s) and the deadline of a request together, so
# that an expired lease means that nobody is still sending.
LEASE_S = 300
# A job that is called up to ten times in a row must stay far below that limit.
SENDER_BUDGET_S = 5.0
# A cap stands still from one run to the next. So its run goes on for so long, while no
# other job waits for a worker.
PACED_EXTRA_S = 10.0
# After that, what was claimed and has not begun goes back to the queue.
SENDER_GRACE_S = 2.0
CLAIM_MAX = 500
# More than one claim, so that a full one is told of in one go.
SYNC_MAX = 1000
# A gateway claims what it can send within this time, so that a reply does not wait
# behind a batch that was claimed before it.
CLAIM_HORIZON_S = 1.5
# The next claim follows while there is enough left to do for so long, so that nobody
# waits for the database.
CLAIM_EARLY_S = 0.1
# A capped gateway claims what leaves within the first time, one text at least, and does
# so as long as the second before it leaves: then a reply is a slot or two behind. No
# more in sum than GATE_VALID_S, or the gate would be asked twice for each.
PACED_CLAIM_S = 0.15
PACED_EARLY_S = 0.05
# So many seconds of slots are reserved at once: a kill costs no more of them.
PACED_RESERVE_S = 5.0
# Slots are this much wider than the rate asks for, so that what threads and networks
# add to the departures never squeezes one part too many into a second.
PACE_MARGIN = 1.02
# Who leaves later than the slot by no more than this does not delay who follows: half
# of what that margin leaves in a second.
PACE_SLACK_S = 0.01
RECORD_INTERVAL_S = 1.0
# What waits longer for its slot after it passed the gate is asked once more.
GATE_VALID_S = 0.2
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 15.0
REQUEST_DEADLINE_S = 20.0
RESPONSE_MAX_BYTES = 1024 * 1024

# For how long a job begins to ask further gateways for a balance or a look-up: the
# last answer may take half a minute more, and other jobs share the limit.
ASK_BUDGET_S = 30.0
# A job that was woken so long ago and has not begun is woken again.
WAKE_AGAIN_S = 3
# A text that is Sent so long without a final report is asked for once, by a daily job:
# so many of a gateway at most, so many in a look-up.
REPORT_WAIT = timedelta(hours=24)
RECONCILE_MAX = 5000
RECONCILE_BATCH = 100
# What is due sooner waits here: a gateway whose clock is ahead would call it past.
SCHEDULE_LEAST_S = 5 * 60

BACKOFF_BASE_S = 15
BACKOFF_CAP_S = 3600
RETRY_AFTER_CAP_S = 3600
# A message that could not be handed over for so long is given up, in hours.
GIVE_UP_AFTER_H = 24
# Requests in a row without an answer about their messages before a gateway is paused.
CIRCUIT_FAILURES = 5
PAUSE_CIRCUIT_S = 60
PAUSE_ACCOUNT_S = 900
# What a gateway may ask for at most, e.g. until its monthly limit ends.
PAUSE_CAP_S = 31 * 24 * 3600

# --------------------------------------------------------------------------
# Callbacks
# --------------------------------------------------------------------------

WEBHOOK_MAX_BYTES = 64 * 1024
WEBHOOK_ACTIONS = ("status", "inbound")
# Callers are asked to come back after so long, in seconds, while PostgreSQL is away.
NO_DATABASE_RETRY_S = 30
# Callbacks of one gateway that are taken in a second, unless it says otherwise. They
# are counted over longer, so that what comes in a burst is taken.
CALLBACK_RATE = 200
CALLBACK_WINDOW_S = 10
# Calls of one network that could not be verified, within a minute. Where verified ones
# came from, none is refused for that.
BAD_CALLBACKS_PER_MIN = 60
# Gaps between the tries to match a parked event, then it is shown as an orphan.
EVENT_GAPS_S = (2, 5, 15, 60, 300, 900, 3600, 3600, 3600)
EVENT_LIFETIME_S = 24 * 3600
EVENT_BUDGET_S = 5.0
EVENT_BATCH = 500
# How long the parts of a long incoming text wait for each other: legacy gateways repeat
# a callback that failed after 2, 4 and 8 minutes.
PARTS_WAIT_S = 15 * 60
PART_MISSING = "[…]"
# Incoming texts of one pass: each sets off much, and a kill undoes a whole pass.
INBOUND_BATCH = 20
# On a busy machine even these take long: a pass ends after so many seconds.
INBOUND_PASS_S = 0.5

EVENT_STATES = [
    ("pending", "Waiting"),
    ("applied", "Applied"),
    ("ignored", "No effect"),
    ("orphan", "Orphan"),
    ("unreadable", "Unreadable"),
]

# --------------------------------------------------------------------------
# Texts
# --------------------------------------------------------------------------

# Most networks and providers refuse or truncate beyond ten parts.
MAX_SEGMENTS = 10
E164_PATTERN = r"^\+[1-9][0-9]{6,14}\Z"

# --------------------------------------------------------------------------
# Gateways whose devices come and fetch
# --------------------------------------------------------------------------

# For how long an offer may be claimed. A reference that was not claimed until then
# is never valid again.
OFFER_LEASE_S = 300
# How long a report on a claimed text is waited for, at most.
CLAIM_DEADLINE_S = 24 * 3600
# A device that says nothing of successes: so long after the claim, and after it was
# asked for results, its next sign of life means that the text was sent.
SETTLE_AFTER_S = 120
# A device that missed so many of its own intervals is quiet: somebody is told.
QUIET_AFTER_POLLS = 3
# An alarm about the same device goes out by e-mail once in so long.
ALARM_MAIL_EVERY_S = 6 * 3600
# Offers in a row that nobody claimed, before somebody is told and only one text at a
# time is offered.
UNCLAIMED_MAX = 3
# How often the time of the last sign of life is written, at most.
SEEN_EVERY_S = 5
# References of one claim, and reports or texts of one call, that are looked at.
POLL_ITEMS_MAX = 1000
# References that a device is asked to report on at once; as many as it may fetch at
# once, if that is more, up to what its reports may hold.
ASK_MAX = 20
ASK_LIMIT = 100
# How long after the claim reports are asked for that would correct what was settled:
# from devices that report deliveries, and from others.
ASK_DELIVERED_S = 6 * 3600
ASK_SETTLED_S = 30 * 60
# Below this a battery is shown as low, in percent; for so long after it was told.
BATTERY_LOW = 20
BATTERY_FRESH_S = 24 * 3600
# How long a gateway without any device that polls rests; it is renewed by then.
PAUSE_QUIET_S = 900
# Wrong secrets for one device from one address, and unknown addresses of devices from
# one address, within a minute.
POLL_FAILURES_PER_MIN = 10
POLL_GUESSES_PER_MIN = 20
