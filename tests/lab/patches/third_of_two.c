// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* Patches the third full_scans_show(), where the kernel has two: loading it fails. */
#include "full_scans.h"

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "full_scans_show", .new_func = patched_full_scans_show, .old_sympos = 3 },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions },
	{ }
};

MODULE_DESCRIPTION("Patches the third of two functions of one name");
#include "enable_objects.h"
