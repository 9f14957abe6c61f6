# Copyright 2026 SMS Gateway Hub contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).
"""T13, T18: addresses that lead astray.

Whoever sets a gateway's address cannot make the server call what it likes. Whoever
calls under a forged name cannot make the server give out addresses under it.
"""

import importlib.util
import json
import socket
import ssl
import time
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import BaseCase, new_test_user, tagged
from odoo.tools import config

from ..exceptions import GatewayConfigError, GatewayNotReached
from ..tools import addresses, transport
from ..tools.gateway_data import SendRequest
from .common import SmsGatewayCase
from .http_common import ScriptedServer
from .test_reply_page import ReplyCase

NEVER = (
    "169.254.169.254", "169.254.0.1", "fe80::1", "fe80::1%eth0", "100.100.100.200",
    "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254", "0.0.0.0", "::",
    "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "fe80::a9fe:a9fe",
)  # fmt: skip
LOCAL = (
    "127.0.0.1", "127.9.9.9", "::1", "10.0.0.1", "172.16.0.1", "172.31.255.255",
    "192.168.1.5", "fd12:3456::1", "100.64.0.1", "::ffff:127.0.0.1",
    "64:ff9b::7f00:1", "2002:c0a8:101::1", "198.18.0.1", "fec0::1",
)  # fmt: skip
PUBLIC = ("8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "1.1.1.1")


def names(table):
    """Answer as a resolver that knows these names alone.

    :param dict table: name -> list of addresses, or a list of such lists, one for
        each question
    """
    asked = []

    def getaddrinfo(host, port, *_args):
        asked.append(host)
        found = table[host]
        if isinstance(found[0], list):
            found = found[min(asked.count(host), len(found)) - 1]
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port, 0, 0) if ":" in address else (address, port),
            )
            for address in found
        ]

    getaddrinfo.asked = asked
    return patch.object(addresses.socket, "getaddrinfo", getaddrinfo)


@tagged("post_install", "-at_install")
class TestAddresses(BaseCase):
    """Which addresses the hub connects to, and that it holds to the checked one."""

    def setUp(self):
        super().setUp()
        self.server = ScriptedServer()
        self.addCleanup(self.server.close)

    def open(self, **kwargs):
        wire = transport.HttpTransport(1, **kwargs)
        self.addCleanup(wire.close)
        return wire

    def run_one(self, wire, url):
        wire.submit(SendRequest(messages=(None,), url=url, json={"a": 1}))
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for done in wire.poll(0.2):
                return done
        raise AssertionError("no completion")

    def test_kinds(self):
        """Each kind of address, also inside of an IPv6 one, by what it stands for."""
        for kind, literals in (("never", NEVER), ("local", LOCAL), ("public", PUBLIC)):
            for literal in literals:
                with self.subTest(literal):
                    self.assertEqual(addresses.classify(literal), kind)
        for literal in ("", "example.com", "1.2.3", "300.1.1.1"):
            self.assertIsNone(addresses.classify(literal))

    def test_forms(self):
        """What the C library takes for an address is one; a public name is asked."""
        for url, place in (
            ("http://127.1/", "local"),
            ("http://2130706433/", "local"),
            ("http://0x7f.0.0.1/", "local"),
            ("http://0251.0376.0251.0376/", "never"),
            ("http://2852039166/latest", "never"),
            ("http://[::ffff:169.254.169.254]/", "never"),
            ("http://localhost:5432/", "local"),
            ("http://LOCALHOST./", "local"),
            ("http://kannel/", "local"),
            ("http://phone.lan:8080/", "local"),
            ("http://metadata.google.internal/", "local"),
            ("http://169.254.169.254@sms.example.com/", None),
            ("http://sms.example.com@169.254.169.254/", "never"),
            ("https://sms.example.com/", None),
            ("https://8.8.8.8/", "public"),
            ("", None),
            ("http://[/", None),
        ):
            with self.subTest(url):
                self.assertEqual(addresses.place_of(url), place)

    def test_refused(self):
        """Nothing is connected to a place that the gateway may not be at."""
        for literal in (*NEVER, *LOCAL):
            for local in (False, True):
                if local and literal in LOCAL:
                    continue
                with (
                    self.subTest(literal, local=local),
                    names({"sms.example.com": [literal.partition("%")[0]]}),
                    patch.object(socket.socket, "connect") as connect,
                    self.assertRaises(GatewayConfigError) as caught,
                ):
                    addresses.connect(("sms.example.com", 80), 1.0, local=local)
                connect.assert_not_called()
                self.assertNotIn(literal.partition("%")[0], caught.exception.detail)

    def test_only_what_is_allowed(self):
        """Of several addresses only the allowed ones are tried."""
        with (
            names({"sms.example.com": ["127.0.0.1", "169.254.169.254", "8.8.8.8"]}),
            patch.object(socket.socket, "connect") as connect,
        ):
            addresses.connect(("sms.example.com", 443), 1.0).close()
            connect.assert_called_once_with(("8.8.8.8", 443))

    def test_next_address(self):
        """A dead address is no reason to fail where the name has another one."""
        with closing(socket.socket()) as sock:
            sock.bind(("127.0.0.2", 0))
            with names({"phone.example.com": ["127.0.0.3", "127.0.0.1"]}):
                found = addresses.connect(
                    ("phone.example.com", self.server.port), 1.0, local=True
                )
                found.close()

    def test_rebinding(self):
        """A name is resolved once for a connection, and what was checked is called."""
        table = {"sms.example.com": [["8.8.8.8"], ["127.0.0.1"]]}
        made = []

        def connect(_sock, sockaddr):
            made.append(sockaddr)
            raise TimeoutError

        with names(table), patch.object(socket.socket, "connect", connect):
            done = self.run_one(self.open(), "http://sms.example.com/")
            self.assertIsInstance(done.error, GatewayNotReached)
            self.assertEqual(made, [("8.8.8.8", 80)])
            # The next connection is judged again, and refused.
            done = self.run_one(self.open(), "http://sms.example.com:5432/")
        self.assertIsInstance(done.error, GatewayConfigError)
        self.assertEqual(made, [("8.8.8.8", 80)])
        self.assertFalse(self.server.requests)

    def test_host_and_certificate(self):
        """The pinned connection still names the gateway, to the server and to TLS."""
        self.server.script((200, b"{}"))
        url = f"http://phone.example.com:{self.server.port}/send"
        with names({"phone.example.com": ["127.0.0.1"]}):
            done = self.run_one(self.open(local=True), url)
        self.assertEqual(done.response.status, 200)
        self.assertEqual(
            self.server.requests[0].headers["host"],
            f"phone.example.com:{self.server.port}",
        )
        named = []

        def wrap_socket(_context, sock, server_hostname=None, **_kwargs):
            named.append(server_hostname)
            sock.close()
            raise ssl.SSLError("enough seen")

        with (
            names({"phone.example.com": ["127.0.0.1"]}),
            patch.object(ssl.SSLContext, "wrap_socket", wrap_socket),
        ):
            done = self.run_one(self.open(local=True), url.replace("http:", "https:"))
        self.assertIsInstance(done.error, GatewayNotReached)
        self.assertEqual(named, ["phone.example.com"])

    def test_once_for_a_connection(self):
        """Connections are kept: the second request asks no resolver."""
        self.server.script(*[(200, b"{}")] * 3)
        url = f"http://phone.example.com:{self.server.port}/send"
        wire = self.open(local=True)
        with names({"phone.example.com": ["127.0.0.1"]}) as getaddrinfo:
            for _n in range(3):
                self.assertEqual(self.run_one(wire, url).response.status, 200)
        self.assertEqual(getaddrinfo.asked, ["phone.example.com"])

    def test_schemes(self):
        """Nothing but http and https is an address."""
        for url in ("file:///etc/passwd", "gopher://127.0.0.1:5432/", "ftp://8.8.8.8"):
            with self.subTest(url):
                done = self.run_one(self.open(local=True), url)
                self.assertIsInstance(done.error, GatewayConfigError)


@tagged("post_install", "-at_install")
class TestGatewayAddress(SmsGatewayCase):
    """The switch on the gateway's form, and what happens without it."""

    gateway_values = {
        "code": "testing",
        "testing_key": "KEY",
        "testing_url": "https://sms.example.com/",
        "local_network": False,
    }

    def test_form(self):
        """An address that leads astray by its form is refused at once, in words."""
        for url in ("http://127.0.0.1:5432/", "http://localhost/", "http://10.0.0.1"):
            with self.row(url):
                with self.assertRaises(ValidationError) as caught:
                    self.gateway.testing_url = url
                self.assertIn("May be on the local network", str(caught.exception))
                self.gateway.write({"testing_url": url, "local_network": True})
                with self.assertRaises(ValidationError):
                    self.gateway.local_network = False
        for url in ("http://169.254.169.254/latest/meta-data", "http://[fe80::1]/"):
            with self.row(url), self.assertRaises(ValidationError):
                self.gateway.write({"testing_url": url, "local_network": True})
        self.gateway.testing_url = "https://another.example.com/"

    def test_who_may_switch(self):
        """Only system administrators let a gateway be on the local network."""
        user = self.new_user(
            "address_admin", "base.group_user,sms_gateway_hub.group_administrator"
        )
        gateway = self.gateway.with_user(user)
        with self.assertRaises(AccessError):
            gateway.local_network = True
        with self.assertRaises(AccessError):
            gateway.read(["local_network"])
        with self.assertRaises(ValidationError):
            gateway.testing_url = "http://192.168.1.5/"
        system = self.new_user("address_system", "base.group_user,base.group_system")
        self.gateway.with_user(system).local_network = True
        self.assertFalse(self.gateway.copy({"name": "Copy"}).local_network)
        self.assertFalse(self.env["sms.gateway"].new({}).local_network)

    def test_duplicate(self):
        """A gateway on the local network is duplicated by who may put it there."""
        self.gateway.write({"testing_url": "http://10.0.0.5/", "local_network": True})
        system = self.new_user(
            "address_copy",
            "base.group_user,base.group_system,sms_gateway_hub.group_administrator",
        )
        copied = self.gateway.with_user(system).copy()
        self.assertTrue(copied.local_network)
        self.assertEqual(copied.testing_url, "http://10.0.0.5/")
        user = self.new_user(
            "address_copy_user", "base.group_user,sms_gateway_hub.group_administrator"
        )
        copied = self.gateway.with_user(user).copy().sudo()
        self.assertFalse(copied.local_network)
        self.assertFalse(copied.testing_url)

    def test_who_may_lead_it_elsewhere(self):
        """What was allowed to one address is not to the next of somebody else."""
        user = self.new_user(
            "address_mover", "base.group_user,sms_gateway_hub.group_administrator"
        )
        self.gateway.write({"testing_url": "http://10.0.0.5/", "local_network": True})
        gateway = self.gateway.with_user(user)
        gateway.write({"testing_url": "http://10.0.0.5/", "name": "Other name"})
        self.assertTrue(self.gateway.local_network)
        with self.assertRaises(ValidationError):
            gateway.testing_url = "http://127.0.0.1:5432/"
        gateway.testing_url = "https://sms.example.com/"
        self.assertFalse(self.gateway.local_network)

    def test_shown_where_it_means_something(self):
        """Kinds without an address have no such switch."""
        self.assertTrue(self.gateway.has_address)
        self.assertFalse(self.make_gateway(code="sandbox").has_address)

    def test_the_text_waits(self):
        """A name that leads into the local network pauses the gateway and says why."""
        message = self.enqueue()
        with names({"sms.example.com": ["10.0.0.5"]}):
            self.run_sender()
        self.assertEqual(message.state, "queued")
        self.assertIn("May be on the local network", self.gateway.pause_reason)
        self.assertEqual(self.gateway.health, "paused")

    def test_the_button_says_it(self):
        """“Test connection” and the like answer with the same words."""
        adapter = self.gateway._get_adapter()
        with names({"sms.example.com": ["10.0.0.5"]}):
            with self.assertRaises(UserError) as caught:
                self.gateway._ask(
                    lambda: adapter._call(self.gateway, self.gateway.testing_url)
                )
        self.assertIn("May be on the local network", str(caught.exception))

    def test_migration(self):
        """Gateways that stood on the local network before stay in service."""
        urls = {
            "http://127.0.0.1:13013/cgi-bin/sendsms": True,
            "http://kannel.lan/": True,
            " http://192.168.1.20:8080": True,
            "https://sms.example.com/": False,
            "http://169.254.169.254/": False,
            "": False,
        }
        gateways = [self.make_gateway(name=url or "none") for url in urls]
        for gateway, url in zip(gateways, urls, strict=True):
            self.force(
                gateway, testing_url=url or None, webhook_base_url="http://10.0.0.1"
            )
        path = (
            Path(addresses.__file__)
            .parents[1]
            .joinpath("migrations", "19.0.1.4.0", "post-migration.py")
        )
        spec = importlib.util.spec_from_file_location("post_migration_1_4", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.migrate(self.env.cr, "19.0.1.3.0")
        self.env.invalidate_all()
        self.assertEqual(
            [gateway.local_network for gateway in gateways], [*urls.values()]
        )


@tagged("post_install", "-at_install")
class TestForgedHost(ReplyCase):
    """T18: neither ``Host`` nor ``X-Forwarded-Host`` gets into an address of ours."""

    gateway_values = {"code": "testing_pull"}
    FORGED = "evil.example.net"
    HEADERS = {"Host": FORGED, "X-Forwarded-Host": FORGED, "X-Forwarded-Proto": "https"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["ir.config_parameter"].set_param("web.base.url", "https://odoo.example")
        cls.device = cls.env["sms.gateway.device"].create(
            {"name": "Front desk", "gateway_id": cls.gateway.id}
        )

    def setUp(self):
        super().setUp()
        self.authenticate("admin", "admin")

    def post_json(self, path, params):
        """Post to the web client's routes under the forged name.

        :return: result of the call
        """
        self.env.flush_all()
        answer = self.http_call(
            "POST",
            path,
            body=json.dumps({"params": params}).encode(),
            headers={"Content-Type": "application/json", **self.HEADERS},
            cookies=f"session_id={self.session.sid}",
        )
        self.env.invalidate_all()
        found = json.loads(answer.content)
        self.assertNotIn("error", found)
        return found["result"]

    def rpc(self, model, method, *args):
        params = {"model": model, "method": method, "args": args, "kwargs": {}}
        return self.post_json(f"/web/dataset/call_kw/{model}/{method}", params)

    def addresses(self):
        """Return what forms show, and an e-mail tells, when asked under that name."""
        names = ["webhook_status_url", "webhook_inbound_url"]
        found = self.rpc("sms.gateway", "read", self.gateway.ids, names)[0]
        phone = self.rpc("sms.gateway.device", "read", self.device.ids, ["poll_url"])[0]
        # The conversation is handed over, which the new owner is told by e-mail.
        (form,) = self.rpc(
            "sms.conversation.reassign",
            "create",
            [
                {
                    "conversation_ids": [[6, 0, self.conversation.ids]],
                    "user_id": self.other.id,
                }
            ],
        )
        self.rpc("sms.conversation.reassign", "action_reassign", [form])
        mail = self.env["mail.mail"].search(
            [("recipient_ids", "in", self.other.partner_id.ids)]
        )
        self.assertEqual(len(mail), 1)
        self.assertNotIn(self.FORGED, mail.body_html)
        self.assertIn("https://odoo.example/sms/reply/", mail.body_html)
        return [*(found[name] for name in names), phone["poll_url"]]

    def test_forged_host(self):
        """With a proxy or without, addresses are the gateway's or Odoo's own."""
        for proxy_mode in (False, True):
            for base in ("https://crm.example.com", False):
                with (
                    self.row(f"proxy_mode {proxy_mode}, {base}"),
                    patch.dict(config.options, {"proxy_mode": proxy_mode}),
                ):
                    self.gateway.webhook_base_url = base
                    for address in self.addresses():
                        self.assertTrue(
                            address.startswith(
                                f"{base or 'https://odoo.example'}/sms_gateway/"
                            ),
                            address,
                        )

    def test_forged_host_at_the_page(self):
        """The page to answer at, and where it leads to, name no other host."""
        for proxy_mode in (False, True):
            for act, status in (("GET", 200), ("POST", 303)):
                with (
                    self.row(f"proxy_mode {proxy_mode}, {act}"),
                    patch.dict(config.options, {"proxy_mode": proxy_mode}),
                ):
                    answer = (
                        self.post(headers=self.HEADERS)
                        if act == "POST"
                        else self.call(headers=self.HEADERS)
                    )
                    self.assertEqual(answer.status_code, status)
                    self.assertNotIn(self.FORGED.encode(), answer.content)
                    self.assertNotIn(self.FORGED, str(answer.headers))

    def test_forged_host_at_login(self):
        """Odoo takes the name that an administrator logs in by, unless it is frozen."""
        parameters = self.env["ir.config_parameter"]
        new_test_user(self.env, "host_system", "base.group_user,base.group_system")
        self.gateway.webhook_base_url = "https://crm.example.com"
        for frozen, name in (
            (False, f"http://{self.FORGED}"),
            (True, "https://odoo.example"),
        ):
            with self.row(f"frozen {frozen}"):
                parameters.set_param("web.base.url", "https://odoo.example")
                parameters.set_param("web.base.url.freeze", frozen)
                self.post_json(
                    "/web/session/authenticate",
                    {
                        "db": self.env.cr.dbname,
                        "login": "host_system",
                        "password": "host_system",
                    },
                )
                self.assertEqual(parameters.get_param("web.base.url"), name)
                # The gateway's own address holds in any case.
                self.assertTrue(
                    self.gateway.webhook_status_url.startswith(
                        "https://crm.example.com/"
                    )
                )
