// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* Patches "the" full_scans_show(), of which the kernel has two: loading it fails. */
#include "full_scans.h"

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "full_scans_show", .new_func = patched_full_scans_show },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions },
	{ }
};

MODULE_DESCRIPTION("Does not say which of two functions it patches");
#include "enable_objects.h"
