# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The options by which modules (``ocore.cloud.auth``) and plugins (``ocore.cloud.auth.plugin``) reach oCore."""

    DOCUMENTATION = r"""
options:
  api_url:
    description:
      - Address of the API. A trailing slash does not matter, and an address without a path gets C(/api).
      - If not given, the environment variable E(OCORE_API_URL) is used.
    type: str
    default: https://api.ocore.dev/api
  api_token:
    description:
      - An API key (C(ocore_...)) or a JWT. An API key is the better choice, since a JWT lives for about one hour.
      - If not given, the environment variable E(OCORE_API_TOKEN) is used.
    type: str
    required: true
  organization:
    description:
      - Slug of the organization, sent as the header C(X-Org-Slug). Whether oCore needs it depends on the token.
      - If not given, the environment variable E(OCORE_ORGANIZATION) is used.
    type: str
  validate_certs:
    description:
      - Whether to check the certificate of the API. Switch it off for tests only.
      - If not given, the environment variable E(OCORE_VALIDATE_CERTS) is used.
    type: bool
    default: true
  ca_path:
    description:
      - Path of a file of CA certificates (PEM) to trust instead of the usual ones, for an oCore of your own.
      - If not given, the environment variable E(OCORE_CA_PATH) is used.
    type: path
  request_timeout:
    description:
      - Seconds to wait for a connection, and for each part of an answer.
      - If not given, the environment variable E(OCORE_REQUEST_TIMEOUT) is used.
    type: float
    default: 30.0
  retries:
    description:
      - How often a request is repeated that failed for the moment. Pauses grow from half a second to 20 seconds;
        a C(Retry-After) of the API is obeyed up to two minutes.
      - A request to create an instance is never repeated before the instance was looked for.
      - If not given, the environment variable E(OCORE_RETRIES) is used.
    type: int
    default: 5
  allow_http:
    description:
      - Whether the token may be sent over unencrypted HTTP to a host that is not this one.
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
      - Address of the API. A trailing slash does not matter, and an address without a path gets C(/api).
      - May be a template.
    type: str
    default: https://api.ocore.dev/api
    env:
      - name: OCORE_API_URL
  api_token:
    description:
      - An API key (C(ocore_...)) or a JWT. An API key is the better choice, since a JWT lives for about one hour.
      - Required, here or in the environment. May be a template, so that it can come from a vault or a lookup.
    type: str
    secret: true
    env:
      - name: OCORE_API_TOKEN
  organization:
    description:
      - Slug of the organization, sent as the header C(X-Org-Slug). Whether oCore needs it depends on the token.
      - May be a template.
    type: str
    env:
      - name: OCORE_ORGANIZATION
  validate_certs:
    description:
      - Whether to check the certificate of the API. Switch it off for tests only.
    type: bool
    default: true
    env:
      - name: OCORE_VALIDATE_CERTS
  ca_path:
    description:
      - Path of a file of CA certificates (PEM) to trust instead of the usual ones, for an oCore of your own.
    type: path
    env:
      - name: OCORE_CA_PATH
  request_timeout:
    description:
      - Seconds to wait for a connection, and for each part of an answer.
    type: float
    default: 30.0
    env:
      - name: OCORE_REQUEST_TIMEOUT
  retries:
    description:
      - How often a request is repeated that failed for the moment. Pauses grow from half a second to 20 seconds;
        a C(Retry-After) of the API is obeyed up to two minutes.
    type: int
    default: 5
    env:
      - name: OCORE_RETRIES
  allow_http:
    description:
      - Whether the token may be sent over unencrypted HTTP to a host that is not this one.
    type: bool
    default: false
    env:
      - name: OCORE_ALLOW_HTTP
requirements:
  - requests >= 2.32
  - pydantic >= 2.7
"""
