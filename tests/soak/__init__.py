# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault campaign: every operation against every fault, in this process and without waiting."""
