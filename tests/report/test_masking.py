from __future__ import annotations

import pytest

from lvdeploy.report.masking import mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("GET /live?_csrf_token=abc&vsn=2.0.0", "GET /live?_csrf_token=***&vsn=2.0.0"),
        ("Cookie: _demo_key=abc; other=1", "Cookie: ***"),
        ("authorization: Bearer abcdefgh", "authorization: ***"),
        ("sent Bearer abcdefgh12", "sent Bearer ***"),
        ("http://ann:s3cr3t@web-1/", "http://ann:***@web-1/"),
        ("DEMO_TOKEN=abc was", "DEMO_TOKEN=*** was"),
        ('data-phx-session="SFMyNTY.abc.def"', 'data-phx-session="***"'),
        ("password=x secret=y api_key=z", "password=*** secret=*** api_key=***"),
    ],
)
def test_secrets_are_taken_out(text: str, masked: str):
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "3 of 200 sessions lost class session: for example c-7",
        "basic auth is not used; the bearer of bad news",
        "GET /health: 503 from web-1 at 2.0 s",
        "the token was stale: the two versions' secrets differ",
    ],
)
def test_prose_stays(text: str):
    assert mask(text) == text
