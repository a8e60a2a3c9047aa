// SPDX-License-Identifier: GPL-2.0-or-later
// Copyright (c) 2026, the kernel.livepatch authors
/* A patch whose pre_patch callback says no: loading it fails with the callback's own error, ENODEV. */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

static int patched_cmdline_proc_show(struct seq_file *m, void *v)
{
	seq_puts(m, "the callback_refuses patch is never enabled\n");
	return 0;
}

static int refuse(struct klp_object *object)
{
	return -ENODEV;
}

static struct klp_func vmlinux_functions[] = {
	{ .old_name = "cmdline_proc_show", .new_func = patched_cmdline_proc_show },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = vmlinux_functions, .callbacks = { .pre_patch = refuse } },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objects,
};

static int __init callback_refuses_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit callback_refuses_exit(void)
{
}

module_init(callback_refuses_init);
module_exit(callback_refuses_exit);
MODULE_DESCRIPTION("Has a pre_patch callback that returns ENODEV");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
