# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options by which modules (``ocore.cloud.auth``) and plugins (``ocore.cloud.auth.plugin``) reach oCore."""

    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Base URL of the API, with or without a trailing slash. C(/api) is appended to a URL that has no path.
      - If not given, the environment variable E(OCORE_API_URL) is used.
    type: str
    default: https://api.ocore.dev/api
  api_token:
    description:
      - API key (C(ocore_...)) or JWT to authenticate with. Prefer an API key, because a JWT expires after about one hour.
      - If not given, the environment variable E(OCORE_API_TOKEN) is used.
    type: str
    required: true
  organization:
    description:
      - Slug of the organization to work in, sent as the header C(X-Org-Slug).
      - Whether oCore requires it depends on the token.
      - If not given, the environment variable E(OCORE_ORGANIZATION) is used.
    type: str
  validate_certs:
    description:
      - Whether to verify the TLS certificate of the API. Disable this for tests only.
      - If not given, the environment variable E(OCORE_VALIDATE_CERTS) is used.
    type: bool
    default: true
  ca_path:
    description:
      - File with CA certificates (PEM) to trust instead of the system's certificate authorities, for a self-hosted oCore.
      - Ignored with O(validate_certs=false).
      - If not given, the environment variable E(OCORE_CA_PATH) is used.
    type: path
  request_timeout:
    description:
      - Time limit of a single request in seconds, until the whole answer has arrived.
      - If not given, the environment variable E(OCORE_REQUEST_TIMEOUT) is used.
    type: float
    default: 30.0
  retries:
    description:
      - How many times to retry a request after a transient failure, such as a lost connection or HTTP 429, 502, or 503.
      - The pauses between retries grow from half a second to 20 seconds. A C(Retry-After) of up to two minutes is honoured.
      - A request that creates an instance is retried only if it has a slug, and after a look-up has shown that the instance
        does not exist.
      - V(0) disables retries.
      - If not given, the environment variable E(OCORE_RETRIES) is used.
    type: int
    default: 5
  allow_http:
    description:
      - Whether to allow an O(api_url) with plain C(http). Without it, the token is sent unencrypted to this machine only.
      - If not given, the environment variable E(OCORE_ALLOW_HTTP) is used.
    type: bool
    default: false
requirements:
  - requests >= 2.32
  - pydantic >= 2.7
"""

    PLUGIN = r"""
options:
  api_url:
    description:
      - Base URL of the API, with or without a trailing slash. C(/api) is appended to a URL that has no path.
      - Supports templates.
    type: str
    default: https://api.ocore.dev/api
    env:
      - name: OCORE_API_URL
  api_token:
    description:
      - API key (C(ocore_...)) or JWT to authenticate with. Prefer an API key, because a JWT expires after about one hour.
      - Required, either here or in the environment. Supports templates, so it can come from a vault or a lookup.
    type: str
    secret: true
    env:
      - name: OCORE_API_TOKEN
  organization:
    description:
      - Slug of the organization to work in, sent as the header C(X-Org-Slug).
      - Whether oCore requires it depends on the token.
      - Supports templates.
    type: str
    env:
      - name: OCORE_ORGANIZATION
  validate_certs:
    description:
      - Whether to verify the TLS certificate of the API. Disable this for tests only.
    type: bool
    default: true
    env:
      - name: OCORE_VALIDATE_CERTS
  ca_path:
    description:
      - File with CA certificates (PEM) to trust instead of the system's certificate authorities, for a self-hosted oCore.
      - Ignored with O(validate_certs=false).
    type: path
    env:
      - name: OCORE_CA_PATH
  request_timeout:
    description:
      - Time limit of a single request in seconds, until the whole answer has arrived.
    type: float
    default: 30.0
    env:
      - name: OCORE_REQUEST_TIMEOUT
  retries:
    description:
      - How many times to retry a request after a transient failure, such as a lost connection or HTTP 429, 502, or 503.
      - The pauses between retries grow from half a second to 20 seconds. A C(Retry-After) of up to two minutes is honoured.
      - V(0) disables retries.
    type: int
    default: 5
    env:
      - name: OCORE_RETRIES
  allow_http:
    description:
      - Whether to allow an O(api_url) with plain C(http). Without it, the token is sent unencrypted to this machine only.
    type: bool
    default: false
    env:
      - name: OCORE_ALLOW_HTTP
requirements:
  - requests >= 2.32
  - pydantic >= 2.7
"""
