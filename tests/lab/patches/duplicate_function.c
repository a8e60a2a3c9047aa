// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* Patches one function twice, once without a position and once as the first of its name: loading it fails. */
#include "full_scans.h"

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "cmdline_proc_show", .new_func = patched_full_scans_show },
	{ .old_name = "cmdline_proc_show", .new_func = patched_full_scans_show, .old_sympos = 1 },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions },
	{ }
};

MODULE_DESCRIPTION("Patches one function twice");
#include "enable_objects.h"
