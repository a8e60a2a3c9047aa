// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * A patch that loads well and has the kernel warn when its function runs, which is when somebody reads the file
 *
 *	/proc/execdomains
 *
 * that nothing on a host reads by itself.
 */
#include <linux/kernel.h>
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int patched_execdomains_proc_show(struct seq_file *m, void *v)
{
	WARN(1, "warn_soon: /proc/execdomains was read\n");
	return 0;
}

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "execdomains_proc_show", .new_func = patched_execdomains_proc_show },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions },
	{ }
};

MODULE_DESCRIPTION("Warns when /proc/execdomains is read");
#include "enable_objects.h"
