// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/*
 * The cumulative second version: /proc/cmdline ends in " livepatch=v2", and it replaces every other patch.
 * A second function is changed too: /proc/meminfo ends in the line "Livepatch:" instead of the DirectMap lines,
 * which are what arch_report_meminfo() adds to that file on x86.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "boot_command_line.h"

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s livepatch=v2\n", boot_command_line_text);
	return 0;
}

static void patched_arch_report_meminfo(struct seq_file *m)
{
	seq_puts(m, "Livepatch:      v2\n");
}

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "cmdline_proc_show", .new_func = patched_cmdline_proc_show },
	{ .old_name = "arch_report_meminfo", .new_func = patched_arch_report_meminfo },
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

static int __init cmdline_v2_init(void)
{
	int error = read_boot_command_line();

	return error ? error : klp_enable_patch(&patch);
}

static void __exit cmdline_v2_exit(void)
{
}

module_init(cmdline_v2_init);
module_exit(cmdline_v2_exit);
MODULE_DESCRIPTION("Adds livepatch=v2 to /proc/cmdline and a line to /proc/meminfo, and replaces earlier patches");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
