// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* A patch without an exit function: it loads and can be disabled, and is never taken out. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "no exit\n");
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

static int __init no_exit_init(void)
{
	return klp_enable_patch(&patch);
}

module_init(no_exit_init);
MODULE_DESCRIPTION("Has no exit function");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
