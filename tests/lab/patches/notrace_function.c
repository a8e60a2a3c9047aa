// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* Patches sched_clock(), which is notrace, so that ftrace has no place to redirect it: loading it fails. */
#include <linux/livepatch.h>
#include <linux/module.h>

static u64 notrace patched_sched_clock(void)
{
	return 0;
}

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "sched_clock", .new_func = patched_sched_clock },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions },
	{ }
};

MODULE_DESCRIPTION("Patches a function that cannot be traced");
#include "enable_objects.h"
