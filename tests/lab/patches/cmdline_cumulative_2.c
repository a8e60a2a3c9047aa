// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* Version 2 of two that replace each other; see cmdline_cumulative.h. */
#define VERSION_WORD "c2"
#include "cmdline_cumulative.h"
