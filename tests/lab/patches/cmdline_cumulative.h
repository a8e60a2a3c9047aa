/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026, the kernel.livepatch authors */
/*
 * One of several versions that each replace every other patch, as a vendor's do: /proc/cmdline ends in
 * " livepatch=" VERSION_WORD. Between two of them there is no moment without either.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "boot_command_line.h"

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s livepatch=" VERSION_WORD "\n", boot_command_line_text);
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
	.replace = true,
};

static int __init cmdline_cumulative_init(void)
{
	int error = read_boot_command_line();

	return error ? error : klp_enable_patch(&patch);
}

static void __exit cmdline_cumulative_exit(void)
{
}

module_init(cmdline_cumulative_init);
module_exit(cmdline_cumulative_exit);
MODULE_DESCRIPTION("Adds livepatch=" VERSION_WORD " to /proc/cmdline and replaces earlier patches");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
