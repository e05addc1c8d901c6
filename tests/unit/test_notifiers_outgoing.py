"""Judging answers and addresses, and templates that misbehave."""

from __future__ import annotations

import asyncio
import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from jobsight.errors import ConfigError, DeliveryError
from jobsight.notifiers.addresses import checked_addresses, is_public
from jobsight.notifiers.limits import RETRY_AFTER_MS_MAX, TEXT_CHARACTERS_MAX, TITLE_CHARACTERS_MAX, SendLimits
from jobsight.notifiers.masking import Mask, Secret
from jobsight.notifiers.outgoing import HttpClient, Post, retry_after_ms
from jobsight.notifiers.templates import Templates, texts_of
from jobsight.notifiers.threads import in_thread
from jobsight.testing.notifiers import NOW_MS, a_hostile_notification, a_notification


@pytest.mark.parametrize(
    ("wait_ms", "header"),
    [
        (0, None),
        (7_000, "7"),
        (7_000, " 7 "),
        (0, "0"),
        (0, "-5"),
        (0, "soon"),
        (0, "7.5"),
        (0, ""),
        (0, "٧"),
        (RETRY_AFTER_MS_MAX, "99999999999999999999999"),
        (7_000, "Mon, 21 Sep 2026 14:13:27 GMT"),
        (0, "Mon, 21 Sep 2026 14:13:13 GMT"),
        (RETRY_AFTER_MS_MAX, "Mon, 21 Sep 2037 14:13:27 GMT"),
        (0, "Mon, 99 Sep 2026 14:13:27 GMT"),
    ],
)
def test_retry_after_is_honoured_for_an_hour_at_most(wait_ms: int, header: str | None) -> None:
    """A channel that asks for patience gets it, in seconds or by date; nonsense and years do not stop the alerts."""
    assert wait_ms == retry_after_ms(header, now_ms=NOW_MS)


@given(st.text(max_size=40))
def test_no_retry_after_breaks_anything(header: str) -> None:
    """Whatever a server sends, the wait is between none and an hour."""
    assert 0 <= retry_after_ms(header, now_ms=NOW_MS) <= RETRY_AFTER_MS_MAX


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "1.1.1.1", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34"]
)
def test_public_addresses_may_be_reached(address: str) -> None:
    """The services out there are."""
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.9.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "239.1.2.3", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1", "192.0.0.8",
        "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::", "2002:0a00:0001::1",
        "64:ff9b::10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2001:0:4136:e378:8000:63bf:f5ff:fffe",
        "localhost", "", "999.1.1.1",
    ],
)  # fmt: skip
def test_addresses_of_the_house_may_not(address: str) -> None:
    """Loopback, private, link-local (where clouds keep their keys), multicast, and each of them inside of IPv6."""
    assert not is_public(address)


@given(st.ip_addresses(v=4))
@settings(max_examples=30)
def test_an_ipv4_address_is_judged_alike_inside_of_ipv6(address: object) -> None:
    """No way of writing an address gets around the guard."""
    assert is_public(str(address)) == is_public(f"::ffff:{address}")
    assert is_public(str(address)) or not is_public(f"64:ff9b::{address}")


def test_one_private_address_among_public_ones_is_refused() -> None:
    """Which of several addresses a connection takes is chance; so all of them have to be public."""

    async def resolver(host: str, port: int) -> list[str]:
        return ["93.184.216.34", "10.0.0.1"]

    with pytest.raises(DeliveryError, match="not public") as caught:
        asyncio.run(checked_addresses("hook.example.org", 443, resolver=resolver))
    assert caught.value.is_refusal


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1/", "https://localhost:1/", "https://[::1]:1/", "https://[::ffff:127.0.0.1]:1/", "http://1.1.1.1/",
            "https://2130706433/", "https://0x7f.1/"],
)  # fmt: skip
def test_a_guarded_client_connects_to_nothing_of_the_house(url: str) -> None:
    """However an address is written, the system's resolver is asked first, and its answer is what is judged."""
    client = HttpClient(mask=Mask([]), limits=SendLimits(), is_guarded=True)

    with pytest.raises(DeliveryError) as caught:
        asyncio.run(client.send(Post(url=Secret(url), body=b"", headers={}), now_ms=NOW_MS))
    assert caught.value.is_refusal


@pytest.mark.parametrize(("is_refusal", "code"), [(True, socket.EAI_NONAME), (False, socket.EAI_AGAIN)])
def test_an_unknown_host_is_a_refusal_and_a_silent_resolver_is_not(is_refusal: bool, code: int) -> None:
    """A mistyped host is told after three tries; a name server that is down is waited for."""

    async def resolver(host: str, port: int) -> list[str]:
        raise socket.gaierror(code, "as the system says")

    client = HttpClient(mask=Mask([]), limits=SendLimits(), is_guarded=True, resolver=resolver)

    with pytest.raises(DeliveryError, match="host is not known") as caught:
        asyncio.run(client.send(Post(url=Secret("https://no.example/"), body=b"", headers={}), now_ms=NOW_MS))
    assert is_refusal == caught.value.is_refusal


# ----------------------------------------------------------------------------------------------------------- templates


def test_a_template_words_title_text_and_page() -> None:
    """An operator's words replace ours, one by one; the page escapes what it shows."""
    templates = Templates(
        where="channels.ops",
        title="{{ n.task }} since {{ n.opened_ms | moment }}",
        text="{% for k, v in n.labels | dictsort %}{{ k }}={{ v }};{% endfor %}{{ title }}",
        html="<p>{{ n.error }}</p>",
    )
    texts = templates.texts(replace(a_notification(), error="<b>"), with_html=True)

    assert "nightly-backup since 2026-09-21 14:03:20 UTC" == texts.title
    assert "env=prod;[critical] nightly-backup: Job failed after 3 retries: Connection timeout" == texts.text
    assert "<p>&lt;b&gt;</p>" == texts.html
    assert texts.problem is None


@pytest.mark.parametrize(
    "template",
    [
        "{{ n.nothing }}",
        "{{ nothing }}",
        "{{ n.count / 0 }}",
        "{{ n.task + 1 }}",
        "{{ n.__class__.__mro__ }}",
        "{{ n.task.__init__.__globals__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ 'x' * 10000000 }}",
        "{{ 9 ** 99999999 }}",
        "{{ '%99999999d' % 1 }}",
        "{{ range(99999999) | list }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include 'other' %}",
        "{{ n.labels.update({'a': 'b'}) }}",
        "{% for a in range(9999) %}{{ 'x' * 9999 }}{% endfor %}",
    ],
)
def test_a_template_that_fails_is_passed_over(template: str) -> None:
    """A broken, greedy or curious template costs its looks, not the alert, and the operator hears why."""
    texts = Templates(where="channels.ops", text=template).texts(a_notification())

    assert "Connection timeout" in texts.text
    assert "channels.ops.text_template failed, plain words were sent" in (texts.problem or "")


def test_a_template_that_never_ends_is_given_up() -> None:
    """A loop without output cannot be interrupted from outside, and yet it ends."""
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    templates = Templates(where="channels.ops", text=endless)
    texts = asyncio.run(texts_of(templates, a_notification()))

    assert "it took longer than 1000 ms" in (texts.problem or "")
    assert "Connection timeout" in texts.text


def test_a_template_may_compute_with_large_times() -> None:
    """The bounds are on texts, not on numbers: `at_ms % 1000` is fine."""
    template = "{{ n.at_ms % 1000 }} {{ n.at_ms * 2 }} {{ 2 ** 10 }} {{ '-' * 3 }}"

    assert "0 3580000000000 1024 ---" == Templates(where="c", text=template).texts(a_notification()).text


@pytest.mark.parametrize(
    "template", ["{% for %}", "{{ x", "{% unknown %}", "{{ 1 | nofilter }}", "x" * 70_000, "{{ " + "(" * 5_000]
)
def test_a_template_with_a_mistake_of_grammar_is_refused_at_start(template: str) -> None:
    """What can be known when the configuration is read is said then."""
    with pytest.raises(ConfigError, match=r"channels\.ops\.title_template"):
        Templates(where="channels.ops", title=template)


@given(st.text(max_size=200))
@settings(max_examples=30)
def test_templated_words_are_harmless_and_bounded(text: str) -> None:
    """A template shows values of jobs; what comes out is as harmless as our own words."""
    templates = Templates(where="c", title="{{ n.title }}\n{{ n.error }}", text="{{ n.error }}" * 3)
    texts = templates.texts(a_hostile_notification(text))

    assert "\n" not in texts.title
    assert "\x1b" not in texts.title + texts.text
    assert len(texts.title) <= TITLE_CHARACTERS_MAX
    assert len(texts.text) <= TEXT_CHARACTERS_MAX


# ------------------------------------------------------------------------------------------------------------- threads


def test_a_thread_hands_over_its_value_or_its_error() -> None:
    """Work beside the loop reads like work in it."""

    def fails() -> None:
        raise OSError("as it is")

    assert 3 == asyncio.run(in_thread(max, 1, 3))
    with pytest.raises(OSError, match="as it is"):
        asyncio.run(in_thread(fails))
