# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""An oCore API on loopback: for the tests of this collection, and for tests of your own playbooks."""
