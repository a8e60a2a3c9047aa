// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * The first version of a patch: /proc/cmdline ends in " livepatch=v1". It does not replace other patches.
 * Built a second time with another PATCH_LABEL, it is a module of the same name with another build-id.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "boot_command_line.h"

#ifndef PATCH_LABEL
#define PATCH_LABEL "v1"
#endif

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s livepatch=" PATCH_LABEL "\n", boot_command_line_text);
	return 0;
}

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "cmdline_proc_show", .new_func = patched_cmdline_proc_show },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

static int __init cmdline_v1_init(void)
{
	int error = read_boot_command_line();

	return error ? error : klp_enable_patch(&patch);
}

static void __exit cmdline_v1_exit(void)
{
}

module_init(cmdline_v1_init);
module_exit(cmdline_v1_exit);
MODULE_DESCRIPTION("Adds livepatch=" PATCH_LABEL " to /proc/cmdline");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
