// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* Patches the second full_scans_show() of the kernel's two: the file of khugepaged reads "patched". */
#include "full_scans.h"

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "full_scans_show", .new_func = patched_full_scans_show, .old_sympos = 2 },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions },
	{ }
};

MODULE_DESCRIPTION("Patches the second of two functions of one name");
#include "enable_objects.h"
