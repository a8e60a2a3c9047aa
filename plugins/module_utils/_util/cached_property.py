# Copyright (c) 2026, the kernel.livepatch authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An attribute that is computed when it is first read, and kept (functools.cached_property, which Python 3.6 lacks)."""


class cached_property:
    """Decorates a method without arguments."""

    def __init__(self, method):
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, instance, owner=None):
        if instance is None:
            return self
        value = instance.__dict__[self._method.__name__] = self._method(instance)
        return value
