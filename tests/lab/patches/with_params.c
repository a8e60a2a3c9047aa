// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* A patch with parameters, both shown: /proc/cmdline ends in " livepatch=TEXT:NUMBER". */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "boot_command_line.h"

static char *text = "none";
module_param(text, charp, 0444);
MODULE_PARM_DESC(text, "text shown in /proc/cmdline");

static int number;
module_param(number, int, 0444);
MODULE_PARM_DESC(number, "number shown in /proc/cmdline");

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_printf(m, "%s livepatch=%s:%d\n", boot_command_line_text, text, number);
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

static int __init with_params_init(void)
{
	int error = read_boot_command_line();

	return error ? error : klp_enable_patch(&patch);
}

static void __exit with_params_exit(void)
{
}

module_init(with_params_init);
module_exit(with_params_exit);
MODULE_DESCRIPTION("Adds its own parameters to /proc/cmdline");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
