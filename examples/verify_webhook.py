"""Check that a webhook came from your Jobsight: needs the standard library only."""

import base64
import hashlib
import hmac
import time

TOLERANCE_SECONDS = 300


def is_genuine(headers, body, secret, now_s=None):
    """
    Whether a request was signed with this secret, within the last five minutes.

    Args:
        headers: Of the request, names in lower case.
        body: Its bytes as they came in, before any parsing.
        secret: As `secret` of the channel says: `whsec_` and base64, or any text.
    """
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs((time.time() if now_s is None else now_s) - int(timestamp)) > TOLERANCE_SECONDS:
        return False
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = "v1," + base64.b64encode(digest).decode()
    return any(hmac.compare_digest(expected, given) for given in headers["webhook-signature"].split(" "))
