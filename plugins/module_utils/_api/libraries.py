# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""stub"""

from ansible.module_utils.basic import missing_required_lib
from ansible_collections.ocore.cloud.plugins.module_utils._api.client import REQUESTS_IMPORT_ERROR
from ansible_collections.ocore.cloud.plugins.module_utils._api.contract import PYDANTIC_IMPORT_ERROR


def library_problem():
    for library, error in (("requests", REQUESTS_IMPORT_ERROR), ("pydantic", PYDANTIC_IMPORT_ERROR)):
        if error is not None:
            return missing_required_lib(library), error
    return None
