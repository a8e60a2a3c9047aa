// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* A cumulative patch with the system state 1 in version 2. */
#define STATE_VERSION 2
#include "states.h"
MODULE_DESCRIPTION("Has version 2 of a system state");
