#!/usr/bin/python

# SPDX-FileCopyrightText: oCore collection contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: ocore_doctor
short_description: Examine an oCore API
version_added: 0.1.0
description:
  - Checks the way to oCore, the token, and how the API answers, and says for each finding what this collection does about it, or
    what you should do.
  - Reads only, unless O(write) is true. Sends about 25 requests, however many instances there are, and ends within 30 seconds.
  - The playbook C(ocore.cloud.doctor) shows the findings, and writes report and profile to files.
author:
  - oCore collection contributors (@ocore)
extends_documentation_fragment:
  - ocore.cloud.auth
  - ocore.cloud.attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode nothing is changed, whatever O(write) says.
  diff_mode:
    support: none
    details:
      - There is no declared state to compare with.
  idempotent:
    support: partial
    details:
      - Nothing stays changed. With O(write=true) the task is reported as changed each time.
options:
  write:
    description:
      - Whether to try changes out on a scratch instance. This shows what reading cannot, such as what an update does to
        environment variables, or what is left of an instance after its removal.
      - The module creates the instance O(scratch), changes, restarts, stops and starts it, and removes it again, also if
        something fails. What could not be removed is named. Instances that were there before are never changed.
    type: bool
    default: false
  scratch:
    description:
      - Slug of the scratch instance, for example V(ocore-doctor). Required with O(write=true).
      - If an instance already has this slug, or one that begins with it, nothing is created.
    type: str
  server:
    description:
      - Name or UUID of the server for the scratch instance. Required with O(write=true).
    type: str
  wait_timeout:
    description:
      - Time limit for the whole task in seconds. By default 30, and 1800 with O(write=true).
      - With O(write=true) the last 60 seconds belong to the removal of the scratch instance, so at least 120 are needed.
    type: int
  wait_interval:
    description:
      - Seconds before the first look at the scratch instance. The pauses between looks grow to 10 seconds.
    type: float
    default: 2.0
seealso:
  - ref: ansible_collections.ocore.cloud.docsite.guide_doctor
    description: The guide to the doctor, its report and its profile.
"""

EXAMPLES = r"""
- name: Examine the API
  ocore.cloud.ocore_doctor:
  register: doctor
  failed_when: doctor.summary is not defined or doctor.summary.failed > 0

- name: Show the findings
  ansible.builtin.debug:
    msg: "{{ doctor.lines }}"

- name: Try changes out on a scratch instance
  ocore.cloud.ocore_doctor:
    write: true
    scratch: ocore-doctor
    server: server-1
    wait_interval: 0.1
  register: doctor

- name: Keep the report and the profile
  ansible.builtin.copy:
    content: "{{ item.content }}"
    dest: "{{ item.dest }}"
    mode: "0644"
  loop:
    - {dest: /tmp/ocore-doctor.md, content: "{{ doctor.report }}"}
    - {dest: /tmp/ocore-profile.json, content: "{{ doctor.profile | to_nice_json }}"}
  loop_control:
    label: "{{ item.dest }}"
"""

RETURN = r"""
checks:
  description: One finding for each check.
  returned: success
  type: list
  elements: dict
  contains:
    check:
      description: Name of the check. It stays the same between releases.
      type: str
      returned: always
      sample: "total"
    verdict:
      description:
        - V(ok) if it is as documented, V(differs) if it is not, or worth a look, V(unknown) if it could not be seen, and
          V(failed) if the collection cannot work with it.
      type: str
      returned: always
      sample: "differs"
    seen:
      description: What was seen.
      type: str
      returned: always
      sample: "there is no total"
    advice:
      description: What the collection does about it, or what you should do.
      type: str
      returned: always
      sample: "The list counts as complete unless it says otherwise; one that is cut off would go unnoticed."
    examples:
      description: Instances, servers or messages that the finding is about. They are not part of RV(report).
      type: list
      elements: str
      returned: always
      sample: []
summary:
  description: Number of findings by verdict.
  returned: success
  type: dict
  sample: {"ok": 44, "differs": 2, "unknown": 1, "failed": 0}
headline:
  description: The same as a sentence.
  returned: success
  type: str
  sample: "47 checks: 44 ok, 2 differs, 1 unknown."
lines:
  description: The findings as lines to show.
  returned: success
  type: list
  elements: str
  sample: ["--- Lists", "ok       list                  12 instances, under instances"]
report:
  description:
    - The findings as Markdown, with the same as JSON at its end. It holds no hosts, names, slugs, ids or values, so that it
      can be attached to an issue.
  returned: success
  type: str
profile:
  description:
    - How the API behaves, as switches of the emulator; C(extensions/emulator --profile) reads it. C(unseen) names the
      switches that nothing was seen of.
  returned: success
  type: dict
  sample: {"format": 1, "switches": {"put_env": "replace"}, "unseen": {"step_by": "it is the emulator's own clock"}}
requests:
  description: Number of requests that were answered while reading.
  returned: success
  type: int
  sample: 21
error:
  description: Answer of oCore that made the task fail. Both keys are null if there was no such answer.
  returned: failure
  type: dict
  contains:
    status:
      description: HTTP status.
      type: int
      returned: always
    code:
      description: Error code of oCore.
      type: str
      returned: always
  sample: {"status": 403, "code": "forbidden"}
"""

from ansible_collections.ocore.cloud.plugins.module_utils._ops.doctor import OPERATION
from ansible_collections.ocore.cloud.plugins.module_utils._ops.entry import run_module


def main() -> None:
    run_module(OPERATION)


if __name__ == "__main__":
    main()
