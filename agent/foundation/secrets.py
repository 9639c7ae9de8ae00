"""What must not be read by others: which keys name a secret, and texts without the secrets in them."""

from __future__ import annotations

import re

REDACTED = "[redacted]"

# Misspelt ones count, since a configuration error shows the line. A key that ends in _file says where a secret
# lies, which a technician needs to see.
_SECRET = re.compile(
    r"pas+_?w|passphrase|secret|token|authori[sz]ation|cookie|api_?key|credential|(^|_)pin$", re.IGNORECASE
)
_USERINFO = re.compile(
    r"(\b[a-z][a-z0-9+.-]{1,20}://)[^/\s@'\"]{1,400}@|(?<![\w/])[\w.%+-]{1,100}:[^/\s@'\"]{1,200}@", re.IGNORECASE
)
_HEADER = re.compile(r"(authorization['\"]?\s*[:=]\s*['\"]?)[^\r\n]{1,2000}", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(\b(?:\w{0,40}_)?(?:password|passwd|secret|token|api_?key)['\"]?\s*[:=]\s*)[^\s&,;]{1,2000}", re.IGNORECASE
)


def names_secret(key: str) -> bool:
    """Whether a key's value must not be shown."""
    return not key.endswith("_file") and _SECRET.search(key) is not None


def without_secrets(text: str) -> str:
    """The text without what stands before @ in a URL, after `Authorization:` and after `password=` and its like."""
    if "@" in text:
        text = _USERINFO.sub(lambda found: f"{found[1] or ''}{REDACTED}@", text)
    text = _HEADER.sub(rf"\1{REDACTED}", text)
    return _ASSIGNED.sub(rf"\1{REDACTED}", text)
