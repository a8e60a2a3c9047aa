// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* A cumulative patch with the system state 1 in version 1. */
#define STATE_VERSION 1
#include "states.h"
MODULE_DESCRIPTION("Has version 1 of a system state");
